"""SoakContext: what a case has in hand."""

from __future__ import annotations

import asyncio
import json
import tempfile
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psutil

from bench.server_process import DEMO, ROOT, ServerProcess
from ovapi.validation.schemas import Schemas
from soak.client.prompts import SURE, chat
from soak.client.raw import Raw, connect
from soak.client.streams import client_of, text_of

SCHEMAS = Schemas()
LEAKS = ("Traceback", 'File "', "site-packages", str(ROOT), "/tmp/")
"""What no error message may hold: traces, and paths of the machine."""


@dataclass(frozen=True)
class Options:
    """How long the campaign may be."""

    kills: int = 20
    minutes: float = 5.0


@dataclass
class SoakSettings:
    """`references` are the greedy answers of the undisturbed model, by prompt."""

    references: dict[str, str]
    options: Options

    @asynccontextmanager
    async def start(
        self,
        config: dict[str, Any] | None = None,
        ready: bool = True,
        folder: Path | None = None,
        **popen: Any,
    ) -> AsyncIterator[SoakContext]:
        """A server for the time of the context; the case may end it before."""
        with started(config, ready, folder, **popen) as server:
            async with client_of(server.url) as client:
                yield SoakContext(self.references, self.options, server, client)


@dataclass
class SoakContext(SoakSettings):
    """A server, and a client of it."""

    server: ServerProcess
    client: httpx.AsyncClient

    @property
    def port(self) -> int:
        return port_of(self.server)

    @asynccontextmanager
    async def raw(self) -> AsyncIterator[Raw]:
        """A connection of its own, for what no HTTP library would send."""
        async with connect(self.port) as raw:
            yield raw

    async def check_answer(self, prompt: str, **parameters: Any) -> None:
        """The model's answer to one of SURE, or to LONG, must be the whole reference."""
        text = await text_of(self.client, chat(prompt, **parameters))
        assert text == self.references[prompt], f"{prompt!r} was answered with {text!r}"

    async def check_answers(self, streams: int, texts: Sequence[str] = SURE) -> None:
        """So many answers at a time."""
        prompts = [texts[n % len(texts)] for n in range(streams)]
        await asyncio.gather(*(self.check_answer(prompt) for prompt in prompts))

    async def metric(self, name: str) -> float:
        """The sum of a metric over its labels."""
        return sum_of((await self.client.get("/metrics")).text, name)

    async def slots(self) -> int:
        """Requests that run or wait in the engines."""
        models = (await self.client.get("/health")).json()["models"].values()
        return sum(model["running"] + model["waiting"] for model in models)

    async def wait_for_slots(self, most: int, seconds: float) -> float:
        """How long it took until at most so many slots were held."""
        start = asyncio.get_running_loop().time()
        while (held := await self.slots()) > most:
            spent = asyncio.get_running_loop().time() - start
            assert spent < seconds, f"{held} slots are still held after {spent:.1f} s"
            await asyncio.sleep(0.02)
        return asyncio.get_running_loop().time() - start

    def engine(self) -> psutil.Process | None:
        """The process of the only engine, if there is one now."""
        return next(iter(self.server.children()), None)


@contextmanager
def started(
    config: dict[str, Any] | None, ready: bool = True, folder: Path | None = None, **popen: Any
) -> Iterator[ServerProcess]:
    """A server for the time of the context; its files are in `folder`, or in one of its own."""
    with (
        tempfile.TemporaryDirectory(prefix="ovapi-soak-") as own,
        ServerProcess(folder or Path(own), config, **popen) as server,
    ):
        if ready:
            server.wait_ready()
        yield server


def port_of(server: ServerProcess) -> int:
    return int(server.url.rsplit(":", 1)[1])


def sum_of(exposition: str, name: str) -> float:
    """The sum of a metric over its labels, in Prometheus' text format."""
    lines = (line for line in exposition.splitlines() if line.split("{")[0].split(" ")[0] == name)
    return sum(float(line.rsplit(" ", 1)[1]) for line in lines)


def check_error(response: httpx.Response, *statuses: int, param: str | None = None) -> None:
    """An error of one of `statuses`, in OpenAI's shape, that gives nothing of the machine away."""
    assert response.status_code in statuses, f"{response.status_code}: {response.text[:300]}"
    check_error_body(response.json())
    if param is not None:
        assert response.json()["error"]["param"] == param, response.text[:300]


def check_error_body(body: Any) -> None:
    SCHEMAS.validate("openai/error", body)
    text = json.dumps(body)
    assert len(text) < 1000, text[:1000]
    for leak in LEAKS:
        assert leak not in text, text
    assert body["error"]["type"] != "server_error" or body["error"]["message"]


def only_demo(**settings: Any) -> dict[str, Any]:
    """The configuration of a server of the built-in model with these settings."""
    return {"models": [{"name": DEMO, **settings}]}
