"""Every request schema's mutations, one after the other, against one server.

``python -m soak.fuzz`` prints the faults; exit status 1 if there are any. A fault is a 5xx other
than 503 with ``Retry-After``, an error that is not in the dialect's shape or names no parameter,
an answer that twice takes longer than SECONDS to begin, an engine that dies, and a `/health` that
does not answer meanwhile.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import re
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import httpx

from bench.server_process import DEMO, ServerProcess
from soak.case import case
from soak.client.endpoints import ENDPOINTS, Endpoint
from soak.client.mutations import Mutation, mutations
from soak.client.streams import client_of
from soak.context import LEAKS, SCHEMAS, SoakSettings, started

SECONDS = 2.0
MINUTES = 2.0
PAUSE = 0.05
LONGEST_NAME = 40
FATAL = ("engine process of", "Traceback")
"""What no client may bring about: lines of the log."""


@dataclass(frozen=True)
class Fault:
    endpoint: Endpoint
    mutation: Mutation
    problem: str

    def __str__(self) -> str:
        return ascii(f"{self.endpoint.path} {str(self.mutation)[:160]}: {self.problem[:300]}")


class Fuzzer:
    """`faults` are what it has found, `sent` how many requests there were."""

    def __init__(self, server: ServerProcess, client: httpx.AsyncClient) -> None:
        self._server = server
        self._client = client
        self._seen = len(server.log)
        self.faults: list[Fault] = []
        self.sent = 0
        self.slowest_health = 0.0

    async def run(self, work: Sequence[tuple[Endpoint, Mutation]], seconds: float) -> None:
        """As much of `work` as there is time for."""
        watching = asyncio.create_task(self._watch_health())
        deadline = time.monotonic() + seconds
        for endpoint, mutation in work:
            if time.monotonic() > deadline:
                break
            for problem in await self._problems(endpoint, mutation):
                self.faults.append(Fault(endpoint, mutation, problem))
        watching.cancel()
        with suppress(asyncio.CancelledError):
            await watching

    async def _watch_health(self) -> None:
        while True:
            start = time.perf_counter()
            (await self._client.get("/health")).raise_for_status()
            self.slowest_health = max(self.slowest_health, time.perf_counter() - start)
            await asyncio.sleep(PAUSE)

    async def _problems(self, endpoint: Endpoint, mutation: Mutation) -> list[str]:
        """A late answer is a fault if it is late again: the machine may have had more to do."""
        found, late = await self._tried(endpoint, mutation)
        if late:
            found, late = await self._tried(endpoint, mutation)
        if mutation.path[0] == "keep_alive":
            await self._loaded_again()
        return [*found, *late, *self._new_in_the_log()]

    async def _tried(self, endpoint: Endpoint, mutation: Mutation) -> tuple[list[str], list[str]]:
        """What is wrong with the answer, and with its time and that of `/health`."""
        self.sent += 1
        self.slowest_health = 0.0
        start = time.perf_counter()
        try:
            found = list(await self._asked(endpoint, mutation))
        except httpx.HTTPError as error:
            found = [f"no answer: {error!r}"]
        taken = time.perf_counter() - start
        late = [f"took {taken:.1f} s"] if taken > SECONDS else []
        if self.slowest_health > SECONDS / 2:
            late.append(f"/health took {self.slowest_health:.1f} s")
        return found, late

    async def _asked(self, endpoint: Endpoint, mutation: Mutation) -> Iterator[str]:
        """What is wrong with the answer; of one of 200 only the first line is read."""
        content = json.dumps(mutation.body).encode()
        headers = {"Content-Type": "application/json"}
        asked = self._client.stream("POST", endpoint.path, content=content, headers=headers)
        async with asked as response:
            if response.status_code == 200:
                line = await anext(response.aiter_lines(), "")
                return iter(["an error in the stream: " + line] if '"server_error"' in line else [])
            await response.aread()
        return refusal_problems(endpoint, mutation, response)

    async def _loaded_again(self) -> None:
        """A model that `keep_alive` has unloaded would make the next answer late."""
        response = None
        while response is None or response.status_code != 200:
            response = await self._client.post("/api/generate", json={"model": DEMO})

    def _new_in_the_log(self) -> list[str]:
        log = self._server.log
        new, self._seen = log[self._seen :], len(log)
        return [line[:300] for line in new.splitlines() if any(text in line for text in FATAL)]


def refusal_problems(
    endpoint: Endpoint, mutation: Mutation, response: httpx.Response
) -> Iterator[str]:
    """What is wrong with an answer other than 200."""
    status, text = response.status_code, response.text
    if status >= 500 and not (
        (status == 503 and "Retry-After" in response.headers)
        or (status == 504 and mutation.path == ("timeout",))
    ):
        yield f"{status} {text}"
    yield from (f"{status} tells {leak!r}: {text}" for leak in LEAKS if leak in text)
    try:
        answer = response.json()
    except ValueError:
        yield f"{status} is not JSON: {text}"
        return
    shape = [why for _, why in SCHEMAS.errors(endpoint.errors, answer)]
    yield from (f"{status} {why}: {text}" for why in shape)
    if status == 400 and not shape and not _named(endpoint, mutation, answer["error"]):
        yield f"{status} names no parameter: {text}"


def _named(endpoint: Endpoint, mutation: Mutation, error: Any) -> bool:
    """Whether the error names a parameter of the request, or is about the body as a whole."""
    names = {
        key[:LONGEST_NAME] for key in (*SCHEMAS[endpoint.schema]["properties"], *mutation.body)
    }
    if isinstance(error, str):
        return "The body" in error or any(name in error for name in names)
    if error["code"] == "invalid_json" or (error["param"] is None and "" in names):
        return True
    param = error["param"] or "?"
    return bool({param, re.split(r"[.\[]", param)[0], param[:LONGEST_NAME]} & names)


def all_work(seed: int = 1) -> list[tuple[Endpoint, Mutation]]:
    """In an order that is the same each time, so that a run cut short has seen some of all."""
    work = [(one, found) for one in ENDPOINTS for found in mutations(SCHEMAS[one.schema], one.body)]
    random.Random(seed).shuffle(work)
    return work


async def fuzz(seconds: float) -> Fuzzer:
    """A server of its own for so many seconds."""
    with started(None) as server:
        async with client_of(server.url) as client:
            fuzzer = Fuzzer(server, client)
            await fuzzer.run(all_work(), seconds)
    return fuzzer


@case(36, "Every parameter at its bounds, beside them, and hostile", alone=True)
async def schemas(settings: SoakSettings) -> str:
    fuzzer = await fuzz(60 * min(MINUTES, settings.options.minutes))
    assert not fuzzer.faults, f"{len(fuzzer.faults)} faults, the first: {fuzzer.faults[0]}"
    return f"{fuzzer.sent} requests"


def main() -> int:
    parser = argparse.ArgumentParser(prog="soak.fuzz", description=__doc__)
    parser.add_argument("--minutes", type=float, default=MINUTES)
    fuzzer = asyncio.run(fuzz(60 * parser.parse_args().minutes))
    for fault in fuzzer.faults:
        print(fault)
    print(f"{fuzzer.sent} requests, {len(fuzzer.faults)} faults", file=sys.stderr)
    return int(bool(fuzzer.faults))


if __name__ == "__main__":
    sys.exit(main())
