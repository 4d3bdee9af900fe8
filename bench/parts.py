"""The parts of a whole benchmark. Each measures one thing over one axis and returns figures."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from bench.contest import HTTP, Contest, Effort, show
from bench.figures import Figures
from bench.memory_growth import memory
from bench.startup import startup
from bench.target import Target
from bench.workload import Run, Workload


@dataclass(frozen=True, slots=True)
class Subject:
    """A model, and how to go about it."""

    name: str
    path: Path
    quick: bool = False
    peers: list[str] = field(default_factory=list)
    settings: dict[str, Any] = field(default_factory=dict)

    @property
    def effort(self) -> Effort:
        return Effort(1, 0.5, fewest=1) if self.quick else Effort()

    @contextmanager
    def contest(self) -> Iterator[Contest]:
        with (
            tempfile.TemporaryDirectory() as folder,
            Contest(self.name, self.path, Path(folder), self.peers, self.settings) as contest,
        ):
            yield contest

    def series(self, runs: list[Run]) -> list[Figures]:
        """One entry for each run."""
        with self.contest() as contest:
            return [_shown(contest.at(run, self.effort)) for run in runs]


def _shown(found: Figures) -> Figures:
    show(found)
    return found


WORK = Workload(prompt_words=64, output_tokens=48)


def streams(subject: Subject) -> list[Figures]:
    """Throughput and latency over the number of streams, with answers as long as many are."""
    numbers = (1, 8) if subject.quick else (1, 8, 32, 64)
    work = replace(WORK, output_tokens=48 if subject.quick else 128)
    return subject.series([Run(work, number) for number in numbers])


def prompts(subject: Subject) -> list[Figures]:
    """Over the length of the prompt, at one stream."""
    words = (32, 512) if subject.quick else (32, 128, 512, 1024)
    runs = [Run(replace(WORK, prompt_words=each, output_tokens=16), 1) for each in words]
    return subject.series(runs)


def outputs(subject: Subject) -> list[Figures]:
    """Over the length of the answer, at eight streams."""
    tokens = (16, 256) if subject.quick else (16, 64, 256, 1024)
    return subject.series([Run(replace(WORK, output_tokens=each), 8) for each in tokens])


def rates(subject: Subject) -> list[Figures]:
    """Latency over the rate of arrivals, as a share of what eight streams at a time reach."""
    shares = (0.5,) if subject.quick else (0.25, 0.5, 0.75, 0.9, 1.0)
    seconds = 5 if subject.quick else 15
    found: list[Figures] = []
    with subject.contest() as contest:
        for target in contest.targets.values():
            target.run(Run(replace(WORK, seed=-1), 8, 8))
        whole = contest.targets[HTTP].run(Run(replace(WORK, seed=-2), 8, 32))
        capacity = whole["requests"] / whole["seconds"]
        for share in shares:
            rate = round(share * capacity, 2)
            options = ("--rate", str(rate), "--seconds", str(seconds))
            entry: Figures = {"rate": rate, "share": share}
            for name, target in contest.targets.items():
                entry[name] = target.run(Run(replace(WORK, seed=int(100 * share)), 1, 1), *options)
                latency = entry[name]["latency_ms"]
                print(f"  {rate:>6} a second  {name:8} latency p50 {latency['p50']:.0f} ms,"
                      f" p99 {latency['p99']:.0f} ms", flush=True)  # fmt: skip
            found.append(entry)
    return found


def reuse(subject: Subject) -> Figures:
    """Time to the first token where a prompt begins as an earlier one did, and where it does not.

    `alone` has prompts as long as those of `shared`, whose beginning is the same in all of them
    and which one request has brought before. `conversation` is by turn, the first one long.
    """
    requests = 3 if subject.quick else 9
    found: Figures = {}
    with subject.contest() as contest:
        words = _words_for(2000, contest.targets[HTTP])
        alone = replace(WORK, prompt_words=words + 32, output_tokens=8)
        shared = Workload("shared-prefix", 32, 8, prefix_words=words, seed=1)
        talk = Workload("multi-turn", 16, 32, prefix_words=words, turns=3, seed=2)
        for name, target in contest.targets.items():
            target.run(Run(replace(shared, prompt_words=16), 1, 1))
            entry = {
                "alone": target.run(Run(alone, 1, requests)),
                "shared": target.run(Run(shared, 1, requests)),
                "conversation": target.run(Run(talk, 1, max(1, requests // 3)))["turns"],
            }
            found[name] = entry
            print(f"  {name}: TTFT alone {entry['alone']['ttft_ms']['p50']:.0f} ms, with a shared"
                  f" prefix {entry['shared']['ttft_ms']['p50']:.0f} ms; by turn",
                  [round(turn["ttft_ms"]["p50"]) for turn in entry["conversation"]],
                  flush=True)  # fmt: skip
    return found


def _words_for(tokens: int, target: Target) -> int:
    """How many of the workload's words come to about so many tokens."""
    found = target.run(Run(Workload(prompt_words=200, output_tokens=2), 1, 1))
    return round(200 * tokens / found["prompt_tokens"])


def starts(subject: Subject) -> Figures:
    """From `python -m ovapi` to the open port and to the first token."""
    with tempfile.TemporaryDirectory() as folder:
        found = startup(subject.name, subject.path, Path(folder), subject.effort.rounds)
    print(f"  open port {found['port_seconds']} s, first token {found['first_token_seconds']} s",
          flush=True)  # fmt: skip
    return found


def memories(subject: Subject) -> Figures:
    """The server process's memory over finished requests and over open idle streams."""
    requests, idle = (400, 500) if subject.quick else (4000, 2000)
    with tempfile.TemporaryDirectory() as folder:
        found = memory(subject.name, subject.path, Path(folder), requests, idle)
    print(f"  {found}", flush=True)
    return found


PARTS = {
    "streams": streams,
    "prompts": prompts,
    "outputs": outputs,
    "rates": rates,
    "reuse": reuse,
    "starts": starts,
    "memory": memories,
}
