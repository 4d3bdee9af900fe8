"""Clients that end their half of the connection: some still read, the others are gone."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from ovapi.core import Accepted, Delta, Finished, Usage
from ovapi.http.connection import half_closed
from ovapi.http.connection.half_closed import PROCESSING
from soak.client.bodies import HELLO, chat
from soak.client.raw import Raw, connect, post
from tests.support.api import Api, until
from tests.support.fake_engine import script

OLLAMA = {"model": "demo", "prompt": "Hi"}


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(half_closed, "PROBE_SECONDS", 0.05)


def end_half(raw: Raw) -> None:
    raw.writer.write_eof()


async def begun(api: Api) -> str:
    """The id of the request that the engine has."""
    await until(lambda: api.engine.requests)
    return api.engine.requests[-1].id


async def words(raw: Raw, count: int) -> bytes:
    return await asyncio.wait_for(raw.reader.readexactly(count * len(PROCESSING)), 10)


def finish(api: Api, request_id: str) -> None:
    sink = api.engine.sinks[request_id]
    for event in (Delta("late", (1,)), Finished("stop", Usage(7, 1))):
        sink(event)


async def test_a_sender_that_ends_its_half_gets_its_answer(api: Api) -> None:
    api.engine.scripts.append(script("Hi"))
    async with connect(api.port) as raw:
        await raw.send(post(HELLO))
        end_half(raw)
        status, body = await raw.response()
        assert (status, body["choices"][0]["message"]["content"]) == (200, "Hi")
        assert await raw.rest() == b""
    await until(lambda: not api.server._open_connections)


async def test_so_do_senders_of_what_has_no_body(api: Api) -> None:
    async with connect(api.port) as raw:
        await raw.send(b"GET /health HTTP/1.0\r\nHost: localhost\r\n\r\n")
        end_half(raw)
        assert (await raw.rest()).startswith(b"HTTP/1.1 200")


async def test_so_do_those_of_several_requests(api: Api) -> None:
    api.engine.scripts += [script("one"), script("two")]
    async with connect(api.port) as raw:
        await raw.send(post(HELLO) + post({}) + post(HELLO))
        end_half(raw)
        assert [(await raw.response())[0] for _ in range(3)] == [200, 400, 200]
        assert await raw.rest() == b""


async def test_a_long_answer_comes_after_word_that_it_will(api: Api) -> None:
    async with connect(api.port) as raw:
        await raw.send(post(HELLO))
        end_half(raw)
        request = await begun(api)
        assert await words(raw, 2) == 2 * PROCESSING
        api.engine.sinks[request](Accepted(7))
        finish(api, request)
        answer = await raw.rest()
    assert b"HTTP/1.1 200 OK" in answer
    assert b"late" in answer
    assert not api.engine.cancelled


@pytest.mark.parametrize(
    ("path", "body"), [("/v1/chat/completions", chat(stream=True)), ("/api/generate", OLLAMA)]
)
async def test_a_stream_goes_on_for_whom_still_reads(
    api: Api, path: str, body: dict[str, Any]
) -> None:
    async with connect(api.port) as raw:
        await raw.send(post(body, path))
        request = await begun(api)
        api.engine.sinks[request](Accepted(7))
        api.engine.sinks[request](Delta("soon", (1,)))
        await raw.head()
        end_half(raw)
        await asyncio.sleep(0.4)  # time for some probes
        finish(api, request)
        answer = await raw.rest()
    assert b"soon" in answer
    assert b"late" in answer
    assert answer.endswith(b"0\r\n\r\n")
    lines = [line for line in answer.split(b"\n") if line.strip().startswith((b"data: {", b"{"))]
    assert len(lines) >= 3
    assert not api.engine.cancelled


@pytest.mark.parametrize("begin", [False, True])
@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/chat/completions", chat()),
        ("/v1/chat/completions", chat(stream=True)),
        ("/api/generate", OLLAMA),
    ],
)
async def test_a_client_that_is_gone_is_found_out(
    api: Api, path: str, body: dict[str, Any], begin: bool
) -> None:
    """It has closed its socket, having read all that there was: no reset tells of it."""
    async with connect(api.port) as raw:
        await raw.send(post(body, path))
        request = await begun(api)
        if begin:
            api.engine.sinks[request](Accepted(7))
            api.engine.sinks[request](Delta("soon", (1,)))
            if body.get("stream", path.startswith("/api")):
                await raw.head()
                await raw.reader.read(65536)
    start = asyncio.get_running_loop().time()
    await until(lambda: api.engine.cancelled == [request])
    await until(lambda: not api.app.active)
    assert asyncio.get_running_loop().time() - start < 1
    await until(lambda: not api.server._open_connections)


async def test_the_reset_is_seen_without_a_second_word(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(half_closed, "PROBE_SECONDS", 0.4)
    async with connect(api.port) as raw:
        await raw.send(post(HELLO))
        await begun(api)
    start = asyncio.get_running_loop().time()
    await until(lambda: api.engine.cancelled)
    assert asyncio.get_running_loop().time() - start < 1  # the second comes after 1.2 s


async def test_one_that_goes_later_is_found_out_too(api: Api) -> None:
    async with connect(api.port) as raw:
        await raw.send(post(HELLO))
        end_half(raw)
        request = await begun(api)
        assert await words(raw, 1) == PROCESSING
    await until(lambda: api.engine.cancelled == [request])


async def test_http_1_0_knows_no_word_before_an_answer(api: Api) -> None:
    async with connect(api.port) as raw:
        await raw.send(post(HELLO).replace(b"HTTP/1.1", b"HTTP/1.0", 1))
        end_half(raw)
        request = await begun(api)
        await until(lambda: api.engine.cancelled == [request])
        assert await raw.rest() == b""


async def test_half_a_request_is_none(api: Api) -> None:
    async with connect(api.port) as raw, connect(api.port) as headless:
        await raw.send(post(b"", Content_Length="100") + b"{")
        await headless.send(b"GET /health HTTP/1.1\r\nHost:")
        end_half(raw)
        end_half(headless)
        assert await raw.rest() == await headless.rest() == b""
    assert not api.engine.requests


async def test_a_connection_that_is_idle_ends(api: Api) -> None:
    async with connect(api.port) as raw:
        await raw.send(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert (await raw.response())[0] == 200
        end_half(raw)
        assert await raw.rest() == b""


async def test_the_loop_rests_meanwhile(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """What has ended stays readable for ever: nobody may wait for that."""
    monkeypatch.setattr(half_closed, "PROBE_SECONDS", 60)
    reads = 0
    async with connect(api.port) as raw:
        await raw.send(post(HELLO))
        await begun(api)
        (stream,) = api.server._open_connections
        read = stream.read_from_fd

        def counted(buf: bytearray) -> int | None:
            nonlocal reads
            reads += 1
            return read(buf)

        monkeypatch.setattr(stream, "read_from_fd", counted)
        end_half(raw)
        await until(lambda: reads)
        await asyncio.sleep(0.2)
        assert reads <= 2
