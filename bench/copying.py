"""What guessing ahead gains a real client where the answers copy: over HTTP, beside any peer.

    python -m bench.copying                                  # the copier of bench.model, int4
    python -m bench.copying --peer llama.cpp=http://127.0.0.1:8081 --streams 1 8

ovapi serves the model without guesses and with prompt lookup, `--tokens` at a time; these and the
peers take turns at the same work: to go on with a copy of a piece of Python. Medians over the
rounds; tokens an event tells how many one step gave, where a server sends each step's at once.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import Any

from bench.contest import in_turns, medians
from bench.figures import Figures
from bench.model import COPIER, folder
from bench.serving import configuration, serving
from bench.target import Target, peers
from bench.workload import Run, Workload

PLAIN = "ovapi"


def contestants(tokens: list[int]) -> dict[str, dict[str, Any]]:
    """The settings of each model by name: once without guesses, and once for each number."""
    own: dict[str, dict[str, Any]] = {PLAIN: {}}
    own |= {f"{PLAIN}-lookup-{n}": {"prompt_lookup": {"tokens": n, "ngram": 3}} for n in tokens}
    return own


def measure(targets: dict[str, Target], run: Run, rounds: int) -> dict[str, Figures]:
    """Each one's medians. The first round, not counted, warms up.

    No prompt comes twice, since some servers would know it.
    """
    first = 100 * run.streams
    seeds = range(first, first + rounds + 1)
    found = in_turns(targets, lambda name, now: targets[name].run(now), run, seeds)
    return {name: medians(each[1:]) for name, each in found.items()}


def rows(found: dict[str, Figures], streams: int) -> list[str]:
    plain = found[PLAIN]["tokens_per_second"]
    return [
        f"| {name} | {streams} | {one['tokens_per_second']:.0f} "
        f"| {one['tokens_per_second'] / plain:.2f} | {one['ttft_ms']['p50']:.0f} "
        f"| {one['tpot_ms']['p50']:.1f} | {one['output_tokens'] / one['events']:.1f} |"
        for name, one in found.items()
    ]


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(
        prog="bench.copying",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add: Any = made.add_argument
    add("--model", type=Path, default=folder("int4", name=COPIER), help="its folder")
    add("--tokens", type=int, nargs="+", default=[5], help="to guess at a time")
    add("--peer", action="append", default=[], metavar="NAME=URL", help="a further server")
    add("--streams", type=int, nargs="+", default=[1])
    add("--requests", type=int, default=3, help="of each stream in a round")
    add("--rounds", type=int, default=5)
    add("--prompt-words", type=int, default=200)
    add("--output-tokens", type=int, default=200)
    return made


def main() -> None:
    given = parser().parse_args()
    work = Workload("copying", given.prompt_words, given.output_tokens)
    with tempfile.TemporaryDirectory() as scratch:
        own = contestants(given.tokens)
        config = configuration(dict.fromkeys(own, given.model), own=own)
        with serving(Path(scratch), config) as server:
            targets = {name: Target(server.url, name, server.pid) for name in own}
            targets |= peers(given.peer, given.model.name)
            print(
                "| Server | Streams | Tokens/s | Gain | TTFT (ms) | ms a token | Tokens an event |"
            )
            print("| --- | ---: | ---: | ---: | ---: | ---: | ---: |")
            for streams in given.streams:
                run = Run(work, streams, streams * given.requests)
                for row in rows(measure(targets, run, given.rounds), streams):
                    print(row, flush=True)


if __name__ == "__main__":
    main()
