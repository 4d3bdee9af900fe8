"""Contest: the raw pipeline, ovapi over it and any peers take turns at the same work."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from typing import Any

from bench.figures import Figures
from bench.raw import RawPipeline
from bench.serving import configuration, serving
from bench.target import Target, peers
from bench.workload import Run

RAW, HTTP = "raw", "ovapi"
FEWEST_REQUESTS = 3  # of one stream in one round: one alone would measure the start and the end
MAX_REQUESTS = 50


@dataclass(frozen=True, slots=True)
class Effort:
    """How often each takes its turn, and about how long a turn takes at least.

    Where a turn takes longer than `slow` seconds there are fewer.
    """

    rounds: int = 5
    seconds: float = 4.0
    slow: float = 15.0
    fewest: int = FEWEST_REQUESTS

    def rounds_of(self, taken: float) -> int:
        return min(self.rounds, 3) if taken > self.slow else self.rounds

    def requests(self, taken: float) -> int:
        """Of each stream in a turn, if one alone has `taken` so many seconds."""
        return max(self.fewest, min(MAX_REQUESTS, math.ceil(self.seconds / taken)))


class Contest:
    """A context manager. All are loaded all the time inside of it, and one at a time has work."""

    def __init__(
        self, name: str, path: Path, folder: Path, peers: list[str], settings: dict[str, Any]
    ) -> None:
        """`folder` is for scratch; `settings` are the model's, as in config.yaml."""
        self._name = name
        self._folder = folder
        self._config = configuration({name: path}, max_running=64, **settings)
        self._peers = peers
        self._stack = ExitStack()

    def __enter__(self) -> Contest:
        server = self._stack.enter_context(serving(self._folder, self._config))
        self._raw = RawPipeline(server.config_file, self._name)
        self._stack.callback(self._raw.close)
        self.targets = {
            HTTP: Target(server.url, self._name, server.pid),
            **peers(self._peers, self._name),
        }
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def at(self, run: Run, effort: Effort) -> Figures:
        """Medians of each one's rounds; `run.requests` is 0 or a number that is not to be chosen.

        Prompts are new in each round and the same for all. One turn before them is not counted.
        """
        warm = replace(run, requests=run.streams, workload=replace(run.workload, seed=-1))
        seconds = [self._turn(name, warm)["seconds"] for name in (RAW, *self.targets)]
        requests = effort.requests(seconds[0])
        run = replace(run, requests=run.requests or run.streams * requests)
        seeds = range(effort.rounds_of(seconds[0] * run.requests / run.streams))
        rounds = in_turns((RAW, *self.targets), self._turn, run, seeds)
        return {
            "streams": run.streams,
            "requests": run.requests,
            "rounds": len(rounds[RAW]),
            **{name: medians(each) for name, each in rounds.items()},
            **_ratio(rounds),
            "health_ms": self._health(run),
        }

    def _turn(self, name: str, run: Run) -> Figures:
        return self._raw.run(run) if name == RAW else self.targets[name].run(run)

    def _health(self, run: Run) -> Figures:
        """Apart from the rounds: the processor time of the probes would be in theirs."""
        run = replace(run, workload=replace(run.workload, seed=-2))
        probed: Figures = self.targets[HTTP].run(run, "--probe", "/health")["probe_ms"]
        return probed


def in_turns(
    names: Iterable[str], turn: Callable[[str, Run], Figures], run: Run, seeds: Iterable[int]
) -> dict[str, list[Figures]]:
    """Each one's figures of a round for each seed; who was last in one is first in the next."""
    rounds: dict[str, list[Figures]] = {name: [] for name in names}
    for number, seed in enumerate(seeds):
        now = replace(run, workload=replace(run.workload, seed=seed))
        for name in list(rounds)[:: -1 if number % 2 else 1]:
            rounds[name].append(turn(name, now))
    return rounds


def _ratio(rounds: dict[str, list[Figures]]) -> Figures:
    """ovapi's throughput over the raw pipeline's: of the medians, and round by round."""
    rates = {name: [one["tokens_per_second"] for one in rounds[name]] for name in (RAW, HTTP)}
    each = sorted(http / raw for http, raw in zip(rates[HTTP], rates[RAW], strict=True))
    return {
        "ratio": round(median(rates[HTTP]) / median(rates[RAW]), 4),
        "ratios": [round(one, 4) for one in each],
    }


def medians(rounds: list[Figures]) -> Figures:
    """The median of each figure; of errors the sum."""
    found: Figures = {}
    for name, value in rounds[0].items():
        values: list[Any] = [one[name] for one in rounds]
        if name == "errors":
            texts = {text for errors in values for text in errors}
            found[name] = {text: sum(one.get(text, 0) for one in values) for text in texts}
        elif isinstance(value, dict):
            found[name] = medians(values)
        else:
            found[name] = median(values)
    return found


def show(found: Figures) -> None:
    """A line for each contestant, and one for what the server costs."""
    for name, one in found.items():
        if isinstance(one, dict) and "ttft_ms" in one:
            print(f"  {found['streams']:>3} streams  {name:8} {_line(one)}", flush=True)
    print(
        f"  {found['streams']:>3} streams  {HTTP}/{RAW} {found['ratio']:.3f}  {found['ratios']}"
        f"  /health p99 {found['health_ms']['p99']:.1f} ms",
        flush=True,
    )


def _line(one: Figures) -> str:
    parts = [f"{one['tokens_per_second']:8.1f} tokens/s"]
    for title, name in (("TTFT", "ttft_ms"), ("TPOT", "tpot_ms")):
        if one[name]:  # there is none where all requests fail
            parts.append(f"{title} {one[name]['p50']:8.2f} ms")
    if "server_cpu_us_per_token" in one:
        parts += [
            f"server {one['server_cpu_us_per_token']:.0f} us/token, {one['server_rss_mib']} MiB",
            f"client {one['client_cpu_share']:.0%}",
        ]
    if "others_cpu_share" in one:
        parts.append(f"others {one['others_cpu_share']:.0%}")
    return "  ".join([*parts, *([f"ERRORS {one['errors']}"] if one["errors"] else [])])
