"""The load generator: asks any OpenAI-compatible server and prints what it found, as JSON.

    python -m bench.load --base-url http://127.0.0.1:8000 --model ovapi-demo --streams 8
    python -m bench.load --base-url http://127.0.0.1:8000 --model ovapi-demo --rate 5 --seconds 30

A closed loop keeps `--streams` requests going, each followed by the next. An open loop sends them
at random (Poisson) times, `--rate` a second, whether or not the earlier ones have ended.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, nullcontext
from itertools import count
from random import Random
from typing import Any, get_args
from urllib.parse import urlsplit

from bench.connection import Answer, Client
from bench.figures import Figures, figures, spread
from bench.processes import Usage, between, busy_seconds, listener
from bench.workload import Dialect, Kind, Workload

PROBE_SECONDS = 0.02


class Load:
    """One load on one server."""

    def __init__(self, client: Client, dialect: Dialect, workload: Workload) -> None:
        self._client = client
        self._dialect = dialect
        self._workload = workload
        self._numbers = count()
        self.answers: list[Answer] = []

    async def closed(self, streams: int, requests: int) -> None:
        """`streams` at a time until `requests` (in conversations: of one turn each) are through."""
        left = iter(range(requests))

        async def stream() -> None:
            for _ in left:
                await self._one()

        await asyncio.gather(*(stream() for _ in range(streams)))

    async def open(self, rate: float, seconds: float) -> None:
        """`rate` requests a second on average, for so long, and their ends."""
        random = Random(f"arrivals {self._workload.seed}")
        start = time.perf_counter()
        async with asyncio.TaskGroup() as tasks:
            at = random.expovariate(rate)
            while at < seconds:
                await asyncio.sleep(max(0.0, start + at - time.perf_counter()))
                tasks.create_task(self._one())
                at += random.expovariate(rate)

    async def _one(self) -> None:
        number = next(self._numbers)
        if self._workload.kind == "multi-turn":
            await self._conversation(number)
        else:
            await self._ask(self._workload.prompt(number))

    async def _conversation(self, number: int) -> None:
        messages: list[dict[str, str]] = []
        for turn in range(self._workload.turns):
            text = self._workload.message(number, turn)
            messages.append({"role": "user", "content": text})
            answer = await self._ask(messages, turn)
            messages.append({"role": "assistant", "content": answer.text})

    async def _ask(self, prompt: str | list[dict[str, str]], turn: int = 0) -> Answer:
        body = self._dialect.body(prompt, self._workload.output_tokens)
        answer = await self._client.post(self._dialect.path, body)
        answer.turn = turn
        self.answers.append(answer)
        return answer


async def words_for(tokens: int, client: Client, dialect: Dialect) -> int:
    """How many of the workload's words come to about so many tokens of the server's model."""
    sample = Workload(prompt_words=200, output_tokens=2, seed=-1)
    counts = []
    for words in (100, 200):
        text = " ".join(sample.prompt(0).split()[:words])
        answer = await client.post(dialect.path, dialect.body(text, 2))
        assert not answer.error, answer.error
        counts.append(answer.prompt_tokens)
    each = (counts[1] - counts[0]) / 100
    return max(1, round((tokens - counts[0]) / each) + 100)


@asynccontextmanager
async def probing(base_url: str, path: str) -> AsyncIterator[list[float]]:
    """Asks `path` all the time; gives the seconds that each answer took, now and later."""
    client, taken = Client(base_url), []

    async def probe() -> None:
        while True:
            answer = await client.get(path)
            assert not answer.error, answer.error
            taken.append(answer.ended - answer.sent)
            await asyncio.sleep(PROBE_SECONDS)

    task = asyncio.create_task(probe())
    try:
        yield taken
    finally:
        task.cancel()
        client.close()


async def measure(given: argparse.Namespace) -> Figures:
    multi = given.workload == "multi-turn"
    dialect = Dialect(given.model, chat=multi or given.chat)
    client = Client(given.base_url, given.key, keep_text=multi)
    words = given.prompt_words or await words_for(given.prompt_tokens, client, dialect)
    workload = Workload(given.workload, words, given.output_tokens, given.prefix_words,
                        given.turns, given.seed)  # fmt: skip
    load = Load(client, dialect, workload)
    probes = probing(given.base_url, given.probe) if given.probe else nullcontext([])
    async with probes as taken:
        before, cpu = Usage.of(given.pid) if given.pid else None, time.process_time()
        busy = busy_seconds()
        if given.rate:
            await load.open(given.rate, given.seconds)
        else:
            await load.closed(given.streams, given.requests or given.streams)
        cpu = time.process_time() - cpu
        after = Usage.of(given.pid) if given.pid else None
        busy = busy_seconds() - busy
    client.close()
    found = figures(load.answers)
    if before and after:
        found |= between(before, after, found["output_tokens"])
        others = busy - cpu - found["server_cpu_seconds"] - found["engine_cpu_seconds"]
        found["others_cpu_share"] = round(max(0.0, others) / found["seconds"], 4)
    found["client_cpu_share"] = round(cpu / found["seconds"], 4)
    if taken:
        found["probe_ms"] = spread(taken)
    if multi:
        found["turns"] = [_turn(load.answers, turn) for turn in range(given.turns)]
    return found


def _turn(answers: list[Answer], turn: int) -> Figures:
    found = figures([answer for answer in answers if answer.turn == turn])
    return {name: found[name] for name in ("prompt_tokens", "ttft_ms")}


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(
        prog="bench.load", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add: Any = made.add_argument
    add("--base-url", required=True, help="http://host:port")
    add("--model", required=True)
    add("--key", default="none", help="the API key")
    add("--chat", action="store_true", help="ask /v1/chat/completions")
    add("--workload", choices=get_args(Kind), default="fixed")
    add("--streams", type=int, default=1, help="closed loop: requests at a time")
    add("--requests", type=int, help="closed loop: how many in all; default: one a stream")
    add("--rate", type=float, help="open loop: requests a second")
    add("--seconds", type=float, default=30, help="open loop: for so long")
    add("--prompt-tokens", type=int, default=128, help="of each request, about")
    add("--prompt-words", type=int, help="instead: of the workload's words")
    add(
        "--prefix-words",
        type=int,
        default=0,
        help="before them, the same for all requests; of a conversation's first",
    )
    add("--output-tokens", type=int, default=64, help="of each request, exactly (ignore_eos)")
    add("--turns", type=int, default=2, help="of a conversation")
    add("--seed", type=int, default=0, help="another seed, other words")
    add("--pid", type=int, help="the server's process; default: whoever listens on the port here")
    add("--probe", metavar="PATH", help="asked 50 times a second meanwhile, with GET")
    return made


def main() -> None:
    given = parser().parse_args()
    parts = urlsplit(given.base_url)
    if given.pid is None and parts.hostname in ("127.0.0.1", "localhost"):
        given.pid = listener(parts.port or 80)
    gc.disable()  # there is little to collect, and nothing that may wait for it
    print(json.dumps(asyncio.run(measure(given)), indent=1))


if __name__ == "__main__":
    main()
