"""The whole benchmark: about 35 minutes, `--quick` two.

    python -m bench                     # into build/bench
    python -m bench --quick
    python -m bench --only streams rates --model NAME=FOLDER --peer NAME=URL

Every part is measured on the built-in model, and on the 0.5B int4 one of `bench.model` what depends
on the model's size. Results go into `--results`: results.json, to which each part is added as it
ends, and a table and plots made of it.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from bench.compare import DEMO, models
from bench.figures import Figures
from bench.machine import machine, moment
from bench.parts import PARTS, Subject
from bench.report import write_report
from bench.server_process import ROOT

OF_LARGE = ("streams", "rates", "reuse")
"""Parts that are measured on a model of real size too."""


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(
        prog="bench", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add: Any = made.add_argument
    add("--quick", action="store_true", help="less of everything: a look, no result")
    add("--only", nargs="+", choices=PARTS, default=list(PARTS), help="these parts")
    add("--model", action="append", metavar="NAME=FOLDER", help="default: demo and 0.5B int4")
    add("--peer", action="append", default=[], metavar="NAME=URL", help="a further server")
    settings = """of the models, as in config.yaml: '{"properties": {...}}'"""
    add("--settings", type=json.loads, default={}, metavar="JSON", help=settings)
    add("--results", type=Path, default=ROOT / "build" / "bench", help="folder for them")
    return made


def main() -> None:
    given = parser().parse_args()
    given.results.mkdir(parents=True, exist_ok=True)
    path = given.results / "results.json"
    results: Figures = json.loads(path.read_text()) if path.exists() else {"models": {}}
    results["machine"] = machine()
    for name, folder in models(given.model).items():
        subject = Subject(name, folder, given.quick, given.peer, given.settings)
        parts = results["models"].setdefault(name, {})
        for part in given.only:
            if name == DEMO or given.model or part in OF_LARGE:
                print(f"{name}: {part}", flush=True)
                parts[part] = {"made": moment(), "found": PARTS[part](subject)}
                path.write_text(json.dumps(results, indent=1) + "\n")
    write_report(results, given.results)
    print(f"see {given.results}/results.md")


if __name__ == "__main__":
    main()
