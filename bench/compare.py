"""Raw pipeline against server: throughput and latency over the number of streams.

    python -m bench.compare                            # the built-in model and the 0.5B int4 one
    python -m bench.compare --model NAME=FOLDER --streams 1 8 32 64
    python -m bench.compare --peer llama=http://127.0.0.1:8081

For each number of streams the raw pipeline, ovapi over HTTP and each peer take turns, `--rounds`
times, with the same prompts; what counts is the median.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path
from typing import Any

from bench.contest import Contest, Effort, show
from bench.figures import Figures
from bench.model import folder
from bench.server_process import ROOT
from bench.workload import Run, Workload

DEMO = "ovapi-demo"


def compare(name: str, path: Path, given: argparse.Namespace) -> list[Figures]:
    """One entry for each number of streams."""
    work = Workload(prompt_words=given.prompt_words, output_tokens=given.output_tokens)
    effort = Effort(given.rounds, given.seconds)
    found = []
    with (
        tempfile.TemporaryDirectory() as scratch,
        Contest(name, path, Path(scratch), given.peer, given.settings) as contest,
    ):
        for streams in given.streams:
            found.append(contest.at(Run(work, streams), effort))
            show(found[-1])
    return found


def models(given: list[str] | None) -> dict[str, Path]:
    """From `name=folder`; by default those that are there."""
    if given:
        return {name: Path(path).resolve() for name, path in (one.split("=", 1) for one in given)}
    found = {DEMO: ROOT / "models" / DEMO, folder("int4").name: folder("int4")}
    return {name: path for name, path in found.items() if path.is_dir()}


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(
        prog="bench.compare",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add: Any = made.add_argument
    add("--model", action="append", metavar="NAME=FOLDER", help="default: demo and 0.5B int4")
    add("--peer", action="append", default=[], metavar="NAME=URL", help="a further server")
    add("--streams", type=int, nargs="+", default=[1, 8, 32])
    add("--rounds", type=int, default=5)
    add("--seconds", type=float, default=2, help="a round takes at least about so long")
    add("--prompt-words", type=int, default=64)
    add("--output-tokens", type=int, default=64)
    settings = """for the model, as in config.yaml: '{"properties": {...}}'"""
    add("--settings", type=json.loads, default={}, metavar="JSON", help=settings)
    add("--output", type=Path, help="a JSON file for the results")
    return made


def main() -> None:
    given = parser().parse_args()
    results: Figures = {}
    for name, path in models(given.model).items():
        print(name, flush=True)
        results[name] = compare(name, path, given)
    if given.output:
        given.output.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
