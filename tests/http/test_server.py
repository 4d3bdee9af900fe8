"""How many connections there may be, and how slow."""

from __future__ import annotations

import asyncio
import logging
import resource
from contextlib import AsyncExitStack, suppress
from dataclasses import replace

import pytest

from ovapi.config.settings import ServerConfig
from ovapi.http.connection.server import SPARE_FILES, most_connections
from soak.client.bodies import CHAT, chat
from soak.client.raw import Raw, connect, post
from tests.support.api import LIMITS, SCHEMAS, Api, until
from tests.support.fake_engine import script

HEALTH = b"GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
MOST = 20


@pytest.fixture
def limits() -> ServerConfig:
    return replace(LIMITS, max_connections=MOST, header_timeout=0.2, write_timeout=0.2)


async def health(raw: Raw) -> int:
    await raw.send(HEALTH)
    return (await raw.response())[0]


async def closed(raw: Raw) -> bool:
    """Whether the server has closed the connection; one byte tells nothing else apart."""
    return not await raw.rest()


async def test_the_oldest_idle_connection_gives_way(api: Api) -> None:
    async with AsyncExitStack() as stack:
        opened = [await stack.enter_async_context(connect(api.port)) for _ in range(MOST)]
        assert [await health(raw) for raw in opened] == [200] * MOST
        assert await health(opened[0]) == 200  # so the second has been idle for longest
        for number in range(1, 4):
            new = await stack.enter_async_context(connect(api.port))
            assert await health(new) == 200
            assert await closed(opened[number])
        assert await health(opened[0]) == 200
        assert await health(opened[4]) == 200


async def test_hundreds_that_say_nothing_keep_nobody_out(api: Api) -> None:
    async with AsyncExitStack() as stack:
        opening = [stack.enter_async_context(connect(api.port)) for _ in range(300)]
        opened = await asyncio.gather(*opening)
        async with api.client() as client:
            for _ in range(3):
                assert (await client.get("/health")).status_code == 200
        assert len(api.server._connections) <= MOST
        assert len(opened) == 300
    await until(lambda: not api.server._connections)


async def test_those_that_say_nothing_take_the_place_of_none_that_has_asked(api: Api) -> None:
    async with AsyncExitStack() as stack:
        asked = [await stack.enter_async_context(connect(api.port)) for _ in range(MOST // 3)]
        assert [await health(raw) for raw in asked] == [200] * len(asked)
        for _ in range(5 * MOST):
            await stack.enter_async_context(connect(api.port))
        assert [await health(raw) for raw in asked] == [200] * len(asked)


async def test_a_body_that_is_on_its_way_gives_way_after_the_idle_ones(api: Api) -> None:
    async with AsyncExitStack() as stack:
        body = post(b"", Content_Length="1000")
        opened = [await stack.enter_async_context(connect(api.port)) for _ in range(MOST)]
        for raw in opened[:-1]:
            await raw.send(body)
        await until(lambda: api.app.active == MOST - 1)
        new = [await stack.enter_async_context(connect(api.port)) for _ in range(2)]
        assert await closed(opened[-1])
        assert await health(new[1]) == 200
        # the first newcomer was idle when the second came
        assert await closed(new[0])
        assert api.app.active == MOST - 1
        await new[1].send(body)
        await until(lambda: api.app.active == MOST)
        last = await stack.enter_async_context(connect(api.port))
        assert await health(last) == 200
        assert await closed(opened[0])


async def test_where_all_are_answered_a_new_one_gets_a_503(api: Api) -> None:
    api.model.config = replace(api.model.config, max_queued=MOST)
    async with AsyncExitStack() as stack:
        opened = [await stack.enter_async_context(connect(api.port)) for _ in range(MOST)]
        for raw in opened:
            await raw.send(post(chat()))
        await until(lambda: len(api.engine.requests) == MOST)
        async with connect(api.port) as raw:
            await raw.send(HEALTH)
            status, headers = await raw.head()
            assert status == 503
            assert int(headers["retry-after"]) > 0
            assert await raw.rest()
        async with api.client() as client:
            response = await client.post(CHAT, json=chat())
            assert response.status_code == 503
            SCHEMAS.validate("openai/error", response.json())
            assert response.json()["error"]["code"] == "too_many_connections"
    metrics = api.app.metrics.expose().decode()
    assert 'ovapi_requests_refused_total{reason="too_many_connections"} 2.0' in metrics


async def test_headers_that_do_not_end_are_cut_off(api: Api) -> None:
    async with connect(api.port) as raw, connect(api.port) as idle:
        assert await health(raw) == 200
        start = asyncio.get_running_loop().time()
        await raw.send(b"GET /health HTTP/1.1\r\n")
        assert await closed(raw)
        assert 0.15 < asyncio.get_running_loop().time() - start < 5
        assert await health(idle) == 200


async def test_headers_that_trickle_are_cut_off(api: Api) -> None:
    async with connect(api.port) as raw:
        start = asyncio.get_running_loop().time()
        with suppress(ConnectionError):
            while not raw.reader.at_eof():
                await raw.send(b"G")
                await asyncio.sleep(0.02)
        assert asyncio.get_running_loop().time() - start < 5


async def test_who_does_not_take_a_whole_answer_is_dropped(
    api: Api, caplog: pytest.LogCaptureFixture
) -> None:
    """It is no stream, so no handler waits for its end."""
    caplog.set_level(logging.WARNING, "ovapi.http.connection.server")
    api.engine.scripts.append(script("x" * 10_000_000))
    async with connect(api.port, limit=1024) as raw:
        await raw.send(post(chat()))
        await until(lambda: "stopped reading" in caplog.text)
    await until(lambda: not api.server._connections)


async def test_a_slow_answer_is_no_stall(api: Api) -> None:
    async with connect(api.port) as raw:
        await raw.send(post(chat()))
        await until(lambda: api.engine.requests)
        await asyncio.sleep(0.5)
        assert not api.engine.cancelled


async def test_the_limits_can_change(api: Api, limits: ServerConfig) -> None:
    async with AsyncExitStack() as stack:
        opened = [await stack.enter_async_context(connect(api.port)) for _ in range(2)]
        assert [await health(raw) for raw in opened] == [200] * 2
        api.server.configure_limits(replace(limits, max_connections=2))
        assert await health(await stack.enter_async_context(connect(api.port))) == 200
        assert await closed(opened[0])


def test_as_many_files_as_connections_need(monkeypatch: pytest.MonkeyPatch) -> None:
    raised: list[tuple[int, int]] = []
    monkeypatch.setattr(resource, "getrlimit", lambda _: (1024, 4096))
    monkeypatch.setattr(resource, "setrlimit", lambda _, limits: raised.append(limits))
    assert most_connections(500) == 500
    assert raised == []
    assert most_connections(2048) == 2048
    assert raised.pop() == (2048 + SPARE_FILES, 4096)
    assert most_connections(10_000) == 4096 - SPARE_FILES
    assert raised.pop() == (4096, 4096)


@pytest.mark.parametrize(("files", "expected"), [(1024, 768), (256, 192), (64, 32), (20, 1)])
def test_few_files_leave_most_of_them_for_connections(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, files: int, expected: int
) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _: (files, files))
    assert most_connections(2048) == expected
    assert f"open file limit is {files} (ulimit -Hn" in caplog.text
    assert f"at most {expected} connections instead of 2048" in caplog.text


def test_few_files_are_enough_for_few_connections(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _: (256, 256))
    assert most_connections(100) == 100
    assert not caplog.text
