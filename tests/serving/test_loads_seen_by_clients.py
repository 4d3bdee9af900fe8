"""What clients see of a model that comes and goes, on an engine whose every step a test decides."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import httpx
import pytest

from ovapi.engine.base import EngineStatus
from tests.support.api import Api, until
from tests.support.fake_engine import FakeEngine, script

CHAT = {"model": "demo", "messages": [{"role": "user", "content": "Hello"}]}
REQUESTS = [
    ("/v1/chat/completions", CHAT),
    ("/v1/completions", {"model": "demo", "prompt": "Hello"}),
    ("/tokenize", {"model": "demo", "prompt": "Hello"}),
    ("/detokenize", {"model": "demo", "tokens": [72]}),
    ("/api/chat", {**CHAT, "stream": False}),
    ("/api/generate", {"model": "demo", "prompt": "Hello", "stream": False}),
    ("/api/generate", {"model": "demo"}),
]


def bring(api: Api, status: EngineStatus = "unloaded", **settings: Any) -> FakeEngine:
    """Put an engine in this state behind the model; so are those that come after it."""
    lifecycle = api.model.lifecycle
    lifecycle.config = replace(lifecycle.config, **settings)
    lifecycle._make = lambda: FakeEngine("unloaded")
    lifecycle._take(FakeEngine(status))
    engine = lifecycle.engine
    assert isinstance(engine, FakeEngine)
    return engine


@pytest.mark.parametrize(("path", "body"), REQUESTS)
async def test_every_request_waits_for_the_load(api: Api, path: str, body: dict[str, Any]) -> None:
    engine = bring(api)
    engine.scripts.append(script("Hi"))
    async with api.client() as client:
        asking = asyncio.create_task(client.post(path, json=body))
        await until(lambda: engine.state.status == "loading")
        assert (await client.get("/health")).json()["models"]["demo"]["waiting"] == 1
        assert (await client.get("/ready")).status_code == 200
        engine.become("ready")
        assert (await asking).status_code == 200
    assert api.model.lifecycle.waiting == 0


@pytest.mark.parametrize(("path", "body"), REQUESTS)
async def test_a_load_that_takes_too_long(api: Api, path: str, body: dict[str, Any]) -> None:
    bring(api)
    api.model.config = replace(api.model.config, load_wait_seconds=0.02)
    async with api.client() as client:
        answer = await client.post(path, json=body)
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "2")
    assert "loading" in answer.text


async def test_the_deadline_of_a_request_ends_its_wait(api: Api) -> None:
    bring(api)
    async with api.client() as client:
        answer = await client.post("/v1/chat/completions", json={**CHAT, "timeout": 0.05})
    assert (answer.status_code, answer.json()["error"]["code"]) == (504, "deadline_exceeded")


@pytest.mark.parametrize(("path", "body"), REQUESTS)
async def test_a_client_that_goes_does_not_wait(api: Api, path: str, body: dict[str, Any]) -> None:
    engine = bring(api)
    async with api.client() as client:
        with pytest.raises(httpx.ReadTimeout):
            await client.post(path, json=body, timeout=0.05)
    await until(lambda: api.model.lifecycle.waiting == 0)
    await asyncio.wait_for(api.model.idle(), 10)
    assert api.app.active == 0
    engine.become("ready")
    assert not engine.requests


@pytest.mark.parametrize("keep_alive", [0, "0", "0s"])
async def test_nothing_but_a_keep_alive_of_0_unloads(api: Api, keep_alive: int | str) -> None:
    bring(api, "ready", keep_alive=300.0)
    async with api.client() as client:
        for _ in range(2):
            body = {"model": "demo", "keep_alive": keep_alive}
            answer = (await client.post("/api/chat", json=body)).json()
            assert (answer["done"], answer["done_reason"]) == (True, "unload")
            assert api.model.engine.state.status == "unloaded"
            assert (await client.get("/api/ps")).json() == {"models": []}
            assert (await client.get("/health")).json()["status"] == "ok"


async def test_a_prompt_with_a_keep_alive_sets_the_end(api: Api) -> None:
    engine = bring(api, "ready", keep_alive=300.0)
    async with api.client() as client:

        async def ask(**more: Any) -> str:
            engine.scripts.append(script("Hi"))
            body = {**CHAT, "stream": False, **more}
            assert (await client.post("/api/chat", json=body)).status_code == 200
            models = (await client.get("/api/ps")).json()["models"]
            return str(models[0]["expires_at"]) if models else "gone"

        assert (await ask()).startswith("20")
        assert (await ask(keep_alive=-1)).startswith("9999")
        assert (await ask()).startswith("20"), "it ends with the request"
        assert (await ask(keep_alive="5m")).startswith("20")
        assert await ask(keep_alive=0) == "gone"


async def test_a_model_that_stays_is_not_unloaded_by_a_client(api: Api) -> None:
    engine = bring(api, "ready")
    async with api.client() as client:
        refused = await client.post("/api/generate", json={"model": "demo", "keep_alive": 0})
        assert refused.status_code == 403
        assert "keep_alive_requests" in refused.json()["error"]
        engine.scripts.append(script("Hi"))
        body = {**CHAT, "stream": False, "keep_alive": 0}
        assert (await client.post("/api/chat", json=body)).status_code == 200
        assert (await client.get("/api/ps")).json()["models"][0]["expires_at"].startswith("9999")
    assert api.model.engine.state.status == "ready"


@pytest.mark.parametrize("keep_alive", ["soon", "5 m", "", [], True])
async def test_what_is_no_keep_alive(api: Api, keep_alive: Any) -> None:
    async with api.client() as client:
        answer = await client.post(
            "/api/generate", json={"model": "demo", "keep_alive": keep_alive}
        )
    assert answer.status_code == 400
    assert "keep_alive" in answer.json()["error"]
