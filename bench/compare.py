"""Raw pipeline against server: throughput and latency over the number of streams.

    python -m bench.compare                            # the built-in model and the 0.5B int4 one
    python -m bench.compare --model NAME=FOLDER --streams 1 8 32 64
    python -m bench.compare --peer llama=http://127.0.0.1:8081

For each number of streams the raw pipeline, ovapi over HTTP and each peer take turns, `--rounds`
times, with the same prompts; what counts is the median. All of them are loaded all the time, and
only one of them has work.
"""

from __future__ import annotations

import argparse
import json
import math
import subprocess
import sys
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from typing import Any
from urllib.parse import urlsplit

from bench.figures import Figures
from bench.model import folder
from bench.processes import listener
from bench.raw import RawPipeline, Run
from bench.serve import ROOT, Server, write_config
from bench.workload import Workload

DEMO = ROOT / "models" / "ovapi-demo"
RAW, HTTP = "raw", "ovapi"


@dataclass(frozen=True, slots=True)
class Target:
    """A server to send a load to."""

    url: str
    model: str
    pid: int | None = None

    def run(self, run: Run, *options: str) -> Figures:
        """What `bench.load` says of that load, in a process of its own."""
        work = run.workload
        command = [
            sys.executable, "-m", "bench.load", "--base-url", self.url, "--model", self.model,
            "--workload", work.kind, "--streams", str(run.streams), "--requests", str(run.requests),
            "--prompt-words", str(work.prompt_words), "--prefix-words", str(work.prefix_words),
            "--output-tokens", str(work.output_tokens), "--turns", str(work.turns),
            "--seed", str(work.seed), *options,
        ]  # fmt: skip
        if self.pid is not None:
            command += ["--pid", str(self.pid)]
        found: Figures = json.loads(subprocess.run(command, check=True, cwd=ROOT,
                                                   stdout=subprocess.PIPE).stdout)  # fmt: skip
        return found


def peers(given: list[str], model: str) -> dict[str, Target]:
    """From `name=url`; all of them have to know the model's name or not to care."""
    named = dict(one.split("=", 1) for one in given)
    return {
        name: Target(url, model, listener(urlsplit(url).port or 80)) for name, url in named.items()
    }


def requests_for(seconds: float, taken: float, streams: int) -> int:
    """So many requests, the same number for each stream, that a round takes about `seconds`."""
    return streams * max(1, min(50, math.ceil(seconds / taken)))


def compare(name: str, path: Path, given: argparse.Namespace, folder: Path) -> list[Figures]:
    """One entry for each number of streams, with the medians and every round."""
    config = write_config(folder, {name: path}, max_running=64, **given.settings)
    raw = RawPipeline(config, name)
    try:
        with Server(config) as server:
            targets = {HTTP: Target(server.url, name, server.pid), **peers(given.peer, name)}
            work = Workload(prompt_words=given.prompt_words, output_tokens=given.output_tokens)
            return [
                _at(Run(work, streams, streams), raw, targets, given) for streams in given.streams
            ]
    finally:
        raw.close()


def _at(
    run: Run, raw: RawPipeline, targets: dict[str, Target], given: argparse.Namespace
) -> Figures:
    warm = raw.run(replace(run, workload=replace(run.workload, seed=-1)))
    for target in targets.values():
        target.run(replace(run, workload=replace(run.workload, seed=-1)))
    run = replace(run, requests=requests_for(given.seconds, warm["seconds"], run.streams))
    rounds: dict[str, list[Figures]] = {name: [] for name in (RAW, *targets)}
    for number in range(given.rounds):
        now = replace(run, workload=replace(run.workload, seed=number))
        for name in list(rounds)[:: -1 if number % 2 else 1]:
            target = targets.get(name)
            rounds[name].append(target.run(now) if target else raw.run(now))
    found: Figures = {"streams": run.streams, "requests": run.requests}
    for name, each in rounds.items():
        found[name] = medians(each)
    # apart from the rounds, whose processor time it would be part of
    probed = targets[HTTP].run(replace(now, workload=replace(now.workload, seed=-2)),
                               "--probe", "/health")  # fmt: skip
    found["health_ms"] = probed["probe_ms"]
    found["ratio"] = round(found[HTTP]["tokens_per_second"] / found[RAW]["tokens_per_second"], 4)
    found["ratios"] = sorted(
        round(one["tokens_per_second"] / base["tokens_per_second"], 4)
        for one, base in zip(rounds[HTTP], rounds[RAW], strict=True)
    )
    show(found)
    return found


def medians(rounds: list[Figures]) -> Figures:
    """The median of each figure; of errors the sum."""
    found: Figures = {}
    for name, value in rounds[0].items():
        values: list[Any] = [one[name] for one in rounds]
        if name == "errors":
            found[name] = {text: sum(one.get(text, 0) for one in values)
                           for text in {text for one in values for text in one}}  # fmt: skip
        elif isinstance(value, dict):
            found[name] = medians([one for one in values if one])
        elif isinstance(value, (int, float)):
            found[name] = median(values)
    return found


def show(found: Figures) -> None:
    for name, one in found.items():
        if not isinstance(one, dict) or "ttft_ms" not in one:
            continue
        cost = one.get("server_cpu_us_per_token")
        print(
            f"  {found['streams']:>3} streams  {name:8} {one['tokens_per_second']:8.1f} tokens/s"
            f"  TTFT {one['ttft_ms']['p50']:8.1f} ms  TPOT {one['tpot_ms']['p50']:7.2f} ms"
            + (f"  server {cost:5.1f} us/token, {one['server_rss_mib']} MiB,"
               f" client {one['client_cpu_share']:.0%}" if cost is not None else "")
            + (f"  ERRORS {one['errors']}" if one["errors"] else ""),
            flush=True,
        )  # fmt: skip
    print(
        f"  {found['streams']:>3} streams  {HTTP}/{RAW} {found['ratio']:.3f}  {found['ratios']}"
        f"  /health p99 {found['health_ms']['p99']:.1f} ms",
        flush=True,
    )


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(
        prog="bench.compare", description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    add: Any = made.add_argument
    add("--model", action="append", metavar="NAME=FOLDER", help="default: demo and 0.5B int4")
    add("--peer", action="append", default=[], metavar="NAME=URL", help="a further server")
    add("--streams", type=int, nargs="+", default=[1, 8, 32, 64])
    add("--rounds", type=int, default=5)
    add("--seconds", type=float, default=3, help="a round takes at least about so long")
    add("--prompt-words", type=int, default=128)
    add("--output-tokens", type=int, default=64)
    add("--settings", type=json.loads, default={}, metavar="JSON",
        help="""for the model, as in config.yaml: '{"properties": {...}}'""")  # fmt: skip
    add("--output", type=Path, help="a JSON file for the results")
    return made


def models(given: list[str] | None) -> dict[str, Path]:
    """From `name=folder`; by default those that are there."""
    if given:
        return {name: Path(path).resolve() for name, path in (one.split("=", 1) for one in given)}
    found = {"ovapi-demo": DEMO, folder("int4").name: folder("int4")}
    return {name: path for name, path in found.items() if path.is_dir()}


def main() -> None:
    given = parser().parse_args()
    results: Figures = {}
    for name, path in models(given.model).items():
        print(name, flush=True)
        with tempfile.TemporaryDirectory() as scratch:
            results[name] = compare(name, path, given, Path(scratch))
    if given.output:
        given.output.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
