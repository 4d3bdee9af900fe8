"""Who may start, who waits, who is turned away: real requests to a server with a fake engine."""

from __future__ import annotations

import asyncio
import json
from contextlib import AsyncExitStack
from dataclasses import replace

import pytest

from ovapi.config.keyring import Keyring
from ovapi.config.settings import KeyLimits, LimitsConfig
from soak.client.bodies import CHAT, chat
from soak.client.raw import connect, post
from tests.support.api import Api, until
from tests.support.fake_engine import script

OLLAMA = "/api/chat"
RUNNING = 3


@pytest.fixture
def keys() -> Keyring:
    return Keyring.parse("alice a\nbob b\ncarol c", "test")


def key(secret: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {secret}"}


def refusals(api: Api, reason: str) -> float:
    """How often the metrics have counted it."""
    name = f'ovapi_requests_refused_total{{reason="{reason}"}} '
    lines = api.app.metrics.expose().decode().splitlines()
    return sum(float(line.removeprefix(name)) for line in lines if line.startswith(name))


@pytest.fixture(autouse=True)
def small(api: Api) -> None:
    """An engine that runs three together."""
    api.model.config = replace(api.model.config, max_running=RUNNING)


def answer(api: Api, number: int) -> None:
    """Have the engine answer the request that it got as number `number`."""
    sink = api.engine.sinks[api.engine.requests[number].id]
    for event in script("Hi"):
        sink(event)


async def answered(api: Api, number: int) -> None:
    """Wait until the engine has that request, and have it answer."""
    await until(lambda: len(api.engine.requests) > number)
    answer(api, number)


async def test_a_key_with_many_requests_does_not_starve_one_with_one(api: Api) -> None:
    async with api.client() as client:
        ask = client.post
        many = [asyncio.create_task(ask(CHAT, json=chat(), headers=key("a"))) for _ in range(8)]
        await until(lambda: api.model.in_flight == 8)
        one = asyncio.create_task(ask(CHAT, json=chat(), headers=key("b")))
        await until(lambda: api.model.in_flight == 9)
        for number in range(RUNNING + 2):  # one more of alice's, whose turn it was, then bob's
            await answered(api, number)
        async with asyncio.timeout(10):
            assert (await one).status_code == 200
        assert api.model.in_flight == 8 - RUNNING - 1
        for number in range(RUNNING + 2, 9):
            await answered(api, number)
        assert {response.status_code for response in await asyncio.gather(*many)} == {200}


@pytest.mark.parametrize(("path", "body"), [(CHAT, chat()), (OLLAMA, chat(model="demo"))])
async def test_a_request_that_waits_too_long(api: Api, path: str, body: dict[str, object]) -> None:
    api.model.config = replace(api.model.config, queue_seconds=0.05)
    async with api.client() as client:
        first = [
            asyncio.create_task(client.post(CHAT, json=chat(), headers=key("a")))
            for _ in range(RUNNING)
        ]
        await until(lambda: len(api.engine.requests) == RUNNING)
        response = await client.post(path, json=body, headers=key("b"))
        assert response.status_code == 503
        assert int(response.headers["Retry-After"]) > 0
        error = response.json()["error"]
        assert "in the queue" in (error if isinstance(error, str) else error["message"])
        assert len(api.engine.requests) == RUNNING
        assert not api.engine.cancelled
        assert refusals(api, "queue_timeout") == 1
        for number in range(RUNNING):
            answer(api, number)
        assert {one.status_code for one in await asyncio.gather(*first)} == {200}


async def test_health_and_metrics_count_who_waits(api: Api) -> None:
    async with api.client() as client:
        task = asyncio.create_task(client.post(CHAT, json=chat(n=9), headers=key("a")))
        await until(lambda: api.model.in_flight == 9)
        health = (await client.get("/health")).json()
        assert health["models"]["demo"]["waiting"] == 9 - RUNNING
        assert 'num_requests_waiting{model_name="demo"} 6.0' in api.app.metrics.expose().decode()
        task.cancel()
    await until(lambda: api.model.in_flight == 0)
    assert len(api.engine.requests) == len(api.engine.cancelled) == RUNNING


async def test_a_stream_does_not_wait_for_those_of_its_choices_that_wait(api: Api) -> None:
    api.engine.scripts.extend([script("Hi")[:2]] * RUNNING)
    async with (
        api.client() as client,
        client.stream("POST", CHAT, json=chat(stream=True, n=9), headers=key("a")) as response,
    ):
        # the answer began before the last choices did
        assert response.status_code == 200
        assert len(api.engine.requests) == RUNNING


async def test_a_reloaded_limit_holds_for_the_next_request(api: Api) -> None:
    api.model.config = replace(api.model.config, max_running=1, max_queued=0)
    async with api.client() as client:
        task = asyncio.create_task(client.post(CHAT, json=chat(), headers=key("a")))
        await until(lambda: api.model.in_flight == 1)
        response = await client.post(CHAT, json=chat(), headers=key("b"))
        assert response.status_code == 429
        assert response.json()["error"]["code"] == "queue_full"
        assert refusals(api, "queue_full") == 1
        answer(api, 0)
        assert (await task).status_code == 200


def limit(api: Api, **limits: int) -> None:
    """Have every key limited so, as after a reload."""
    config = api.app.context.config
    api.app.configure(replace(config, limits=LimitsConfig(KeyLimits(**limits))))


@pytest.mark.parametrize(("path", "body"), [(CHAT, chat()), (OLLAMA, chat(model="demo"))])
async def test_a_key_has_so_many_requests_at_a_time(
    api: Api, path: str, body: dict[str, object]
) -> None:
    limit(api, concurrent=2)
    async with api.client() as client:
        first = [
            asyncio.create_task(client.post(CHAT, json=chat(), headers=key("a"))) for _ in range(2)
        ]
        await until(lambda: len(api.engine.requests) == 2)
        response = await client.post(path, json=body, headers=key("a"))
        assert response.status_code == 429
        assert response.headers["Retry-After"] == "1"
        error = response.json()["error"]
        assert "Concurrency limit" in (error if isinstance(error, str) else error["message"])
        assert refusals(api, "concurrency_limit_exceeded") == 1
        first[1].cancel()
        await until(lambda: api.app.active == 1)
        api.engine.scripts.append(script("Hi"))
        assert (await client.post(path, json=body, headers=key("b"))).status_code == 200
        api.engine.scripts.append(script("Hi"))
        stream = {**body, "stream": False}
        assert (await client.post(path, json=stream, headers=key("a"))).status_code == 200
        answer(api, 0)
        assert (await first[0]).status_code == 200


async def test_a_key_has_so_many_requests_a_minute(api: Api) -> None:
    limit(api, requests_per_minute=2)
    api.engine.scripts.extend([script("Hi")] * 3)
    async with api.client() as client:
        for left in ("1", "0"):
            response = await client.post(CHAT, json=chat(), headers=key("a"))
            assert response.status_code == 200
            assert response.headers["x-ratelimit-limit-requests"] == "2"
            assert response.headers["x-ratelimit-remaining-requests"] == left
        response = await client.post("/v1/completions", json={"prompt": "x"}, headers=key("a"))
        assert response.status_code == 429
        assert 25 <= int(response.headers["Retry-After"]) <= 30
        assert response.headers["x-ratelimit-remaining-requests"] == "0"
        reset = response.headers["x-ratelimit-reset-requests"]
        assert 55 <= float(reset.removesuffix("s")) <= 60
        error = response.json()["error"]
        assert (error["type"], error["code"]) == ("rate_limit_error", "rate_limit_exceeded")
        assert refusals(api, "rate_limit_exceeded") == 1
        models = await client.get("/v1/models", headers=key("a"))
        assert models.status_code == 200
        assert "x-ratelimit-limit-requests" not in models.headers
        assert (await client.post(CHAT, json=chat(), headers=key("b"))).status_code == 200


async def test_a_refusal_comes_before_the_body(api: Api) -> None:
    limit(api, requests_per_minute=1)
    async with connect(api.port) as raw:
        await raw.send(post({"prompt": "x"}, "/tokenize", X_Api_Key="a"))
        assert (await raw.head())[0] == 200
    async with connect(api.port) as raw:
        await raw.send(post(b"", X_Api_Key="a", Content_Length="10", Expect="100-continue"))
        assert (await raw.head())[0] == 429


class TestWithoutKeys:
    @pytest.fixture
    def keys(self) -> Keyring:
        return Keyring()

    async def test_all_are_one_caller(self, api: Api) -> None:
        limit(api, requests_per_minute=1)
        api.engine.scripts.append(script("Hi"))
        async with api.client() as client:
            assert (await client.post(CHAT, json=chat())).status_code == 200
            assert (await client.post(CHAT, json=chat(), headers=key("x"))).status_code == 429


def saying(text: str) -> dict[str, object]:
    return {"messages": [{"role": "user", "content": text}]}


PADDED = b" " * 400_000
"""Blanks count as long as they are there, which is until the body is parsed."""


def limit_bodies(api: Api, size: int) -> None:
    config = api.app.context.config
    api.app.configure(replace(config, limits=LimitsConfig(body_bytes=size)))


async def test_bodies_have_so_many_bytes_together(api: Api) -> None:
    limit_bodies(api, 500_000)
    async with api.client() as client:
        large = saying("x" * 300_000)
        first = asyncio.create_task(client.post(CHAT, json=large, headers=key("a")))
        await until(lambda: api.engine.requests)
        for path in (CHAT, OLLAMA):
            response = await client.post(path, json={**large, "model": "demo"}, headers=key("b"))
            assert response.status_code == 503, path
            assert int(response.headers["Retry-After"]) > 0
        assert refusals(api, "no_room_for_body") == 2
        small = asyncio.create_task(client.post(CHAT, json=chat(), headers=key("b")))
        await until(lambda: len(api.engine.requests) == 2)
        answer(api, 0)
        answer(api, 1)
        assert {(await task).status_code for task in (first, small)} == {200}
        assert api.app.context.bodies.held == 0


async def test_what_is_parsed_counts_with_what_is_left_of_it(api: Api) -> None:
    """Small requests padded with blanks keep nobody out while they are answered."""
    limit_bodies(api, 900_000)
    body = json.dumps(chat()).encode()
    headers = {**key("a"), "Content-Type": "application/json"}
    tasks = []
    async with api.client() as client:
        for number in range(RUNNING):
            request = client.post(CHAT, content=body + PADDED, headers=headers)
            tasks.append(asyncio.create_task(request))
            await until(lambda number=number: len(api.engine.requests) == number + 1)
        assert api.app.context.bodies.held < 20_000
        tasks.append(
            asyncio.create_task(client.post(CHAT, json=saying("x" * 400_000), headers=headers))
        )
        await until(lambda: api.app.context.bodies.held > 400_000)
        for number in range(RUNNING):
            answer(api, number)
        await until(lambda: len(api.engine.requests) == RUNNING + 1)
        answer(api, RUNNING)
        assert {(await task).status_code for task in tasks} == {200}
    assert api.app.context.bodies.held == 0


async def test_bodies_that_do_not_end_make_way(api: Api) -> None:
    """Whoever stops a byte short holds room only as long as nobody smaller needs it."""
    limit_bodies(api, 640_000)
    async with AsyncExitStack() as stack, api.client() as client:
        for caller, size in (("a", 160_000), ("a", 150_000), ("b", 300_000)):
            raw = await stack.enter_async_context(connect(api.port))
            length = str(size + 1)
            await raw.send(post(b"x" * size, X_Api_Key=caller, Content_Length=length))
        await until(lambda: api.app.context.bodies.held == 610_000)
        request = client.post(CHAT, json=saying("y" * 100_000), headers=key("c"))
        large = asyncio.create_task(request)
        await until(lambda: api.engine.requests)
        assert 540_000 < api.app.context.bodies.held < 560_000  # the larger one of a's is gone
        answer(api, 0)
        assert (await large).status_code == 200
    await until(lambda: api.app.context.bodies.held == 0)


async def test_a_small_body_always_has_room(api: Api) -> None:
    limit_bodies(api, 1024)
    async with connect(api.port) as raw, api.client() as client:
        await raw.send(post(b"x" * 900_000, X_Api_Key="a", Content_Length="900001"))
        await until(lambda: api.app.context.bodies.held > 800_000)
        api.engine.scripts.append(script("Hi"))
        body = saying("x" * 60_000)
        assert (await client.post(CHAT, json=body, headers=key("b"))).status_code == 200


async def test_a_body_that_never_ends_holds_its_bytes_until_it_is_cut_off(api: Api) -> None:
    async with connect(api.port) as raw:
        await raw.send(post(b"x" * 1000, X_Api_Key="a", Content_Length="2000"))
        await until(lambda: api.app.context.bodies.held == 1000)
    await until(lambda: api.app.context.bodies.held == 0)


async def test_a_single_body_may_exceed_what_all_may_have(api: Api) -> None:
    limit_bodies(api, 1024)
    api.engine.scripts.append(script("Hi"))
    async with api.client() as client:
        response = await client.post(CHAT, json=saying("x" * 100_000), headers=key("a"))
    assert response.status_code == 200
    assert api.app.context.bodies.held == 0
