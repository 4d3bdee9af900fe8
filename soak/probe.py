"""Observer: asks a server for one greedy answer after another, and for its health all the time.

It is a process of its own, so that what a case does to its own event loop is not taken for the
server's. ``python -m soak.probe URL`` prints a line when it has the reference answer; then each
line on its input begins or ends a period, and at the end a line of JSON with a Period goes out.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from dataclasses import asdict, dataclass, field

import httpx

from soak.client.prompts import LONG, chat
from soak.client.raw import Raw, connect
from soak.client.streams import client_of, text_of

PAUSE = 0.05
GET_HEALTH = b"GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"


@dataclass
class Period:
    """`health` are seconds; `refused` answers were a 429 or a 503, `wrong` ones something else."""

    health: list[float] = field(default_factory=list)
    unhealthy: list[str] = field(default_factory=list)
    answers: int = 0
    refused: int = 0
    wrong: list[str] = field(default_factory=list)


class Watch:
    """The asking during one period, until `stop`; however short, it asks for both once."""

    def __init__(self, url: str, reference: str) -> None:
        self._url = url
        self._reference = reference
        self._period = Period()
        self._over = asyncio.Event()
        self._tasks = (
            asyncio.create_task(self._keep_asking()),
            asyncio.create_task(self._keep_polling()),
        )

    async def stop(self) -> Period:
        """The last answer is waited for."""
        self._over.set()
        await asyncio.gather(*self._tasks)
        return self._period

    async def _keep_asking(self) -> None:
        async with client_of(self._url) as client:
            await self._ask(client)
            while not self._over.is_set():
                await asyncio.sleep(PAUSE)
                await self._ask(client)

    async def _ask(self, client: httpx.AsyncClient) -> None:
        try:
            text = await text_of(client, chat(LONG))
        except AssertionError as error:
            refused = "rate_limit" in str(error) or "overloaded" in str(error)
            if refused:
                self._period.refused += 1
            else:
                self._period.wrong.append(str(error)[:300])
        except httpx.HTTPError as error:
            self._period.wrong.append(repr(error))
        else:
            self._period.answers += 1
            if text != self._reference:
                self._period.wrong.append(f"{text!r} instead of {self._reference!r}")

    async def _keep_polling(self) -> None:
        port = int(self._url.rsplit(":", 1)[1])
        while not (self._over.is_set() and (self._period.health or self._period.unhealthy)):
            try:
                async with connect(port) as raw:
                    await self._poll(raw)
            except (OSError, EOFError, TimeoutError) as error:
                self._period.unhealthy.append(repr(error))
                await asyncio.sleep(PAUSE)

    async def _poll(self, raw: Raw) -> None:
        """One connection for all: a new one would measure something else."""
        while True:
            start = time.perf_counter()
            await raw.send(GET_HEALTH)
            status, _ = await raw.response()
            self._period.health.append(time.perf_counter() - start)
            if status != 200:
                self._period.unhealthy.append(f"status {status}")
            if self._over.is_set():
                return
            await asyncio.sleep(PAUSE)


async def observe(url: str) -> None:
    async with client_of(url) as client:
        reference = await text_of(client, chat(LONG))
    print("ready", flush=True)
    loop = asyncio.get_running_loop()
    while await loop.run_in_executor(None, sys.stdin.readline):
        watch = Watch(url, reference)
        await loop.run_in_executor(None, sys.stdin.readline)
        print(json.dumps(asdict(await watch.stop())), flush=True)


class Probe:
    """The other side: starts the process and has its periods begin and end."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    @classmethod
    async def start(cls, url: str) -> Probe:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "soak.probe", url,
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, limit=2**26,
        )  # fmt: skip
        probe = cls(process)
        assert await probe._line() == "ready"
        return probe

    async def _line(self) -> str:
        assert self._process.stdout is not None
        return (await self._process.stdout.readline()).decode().strip()

    async def _turn(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(b"\n")
        await self._process.stdin.drain()

    async def begin(self) -> None:
        await self._turn()

    async def end(self) -> Period:
        await self._turn()
        return Period(**json.loads(await self._line()))

    async def close(self) -> None:
        if self._process.returncode is None:
            self._process.kill()
        await self._process.wait()


if __name__ == "__main__":
    asyncio.run(observe(sys.argv[1]))
