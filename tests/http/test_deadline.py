"""`timeout` and the server's own limit: an answer ends with what it has, or is a 504."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from typing import Any

import pytest

from ovapi.config.settings import LimitsConfig
from ovapi.core import Accepted, Delta
from soak.client.bodies import CHAT, chat
from tests.support.api import SCHEMAS, Api, until
from tests.support.fake_engine import script

COMPLETIONS = "/v1/completions"
BEGUN = [Accepted(7), Delta("Once", (1,)), Delta(" upon", (2,))]
BODIES = [(CHAT, chat(timeout=0.2)), (COMPLETIONS, {"prompt": "x", "timeout": 0.2})]


def text_of(choice: dict[str, Any]) -> str:
    return str(choice["text"] if "text" in choice else choice["message"]["content"])


@pytest.mark.parametrize(("path", "body"), BODIES)
async def test_the_answer_ends_with_what_it_has(api: Api, path: str, body: dict[str, Any]) -> None:
    api.engine.scripts.append(BEGUN)
    async with api.client() as client:
        response = await client.post(path, json=body)
    assert response.status_code == 200
    (choice,) = response.json()["choices"]
    assert (text_of(choice), choice["finish_reason"]) == ("Once upon", "length")
    assert response.json()["usage"]["completion_tokens"] == 2
    assert api.engine.cancelled == [api.engine.requests[0].id]
    assert api.model.in_flight == 0


@pytest.mark.parametrize(("path", "body"), BODIES)
@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("events", [[], [Accepted(7)]])
async def test_nothing_by_then_is_a_504(
    api: Api, path: str, body: dict[str, Any], stream: bool, events: list[Accepted]
) -> None:
    api.engine.scripts.append(events)
    async with api.client() as client:
        response = await client.post(path, json={**body, "stream": stream})
    assert response.status_code == 504
    SCHEMAS.validate("openai/error", response.json())
    error = response.json()["error"]
    assert (error["type"], error["code"]) == ("timeout_error", "deadline_exceeded")
    assert api.engine.cancelled == [api.engine.requests[0].id]
    assert 'refused_total{reason="deadline_exceeded"} 1.0' in api.app.metrics.expose().decode()


async def test_a_stream_ends_with_what_it_has(api: Api) -> None:
    api.engine.scripts.append(BEGUN)
    async with api.client() as client:
        options = {"include_usage": True}
        body = chat(timeout=0.2, stream=True, stream_options=options)
        text = (await client.post(CHAT, json=body)).text
    *chunks, done = [line.removeprefix("data: ") for line in text.split("\n\n") if line]
    *_, finish, usage = map(json.loads, chunks)
    assert finish["choices"][0]["finish_reason"] == "length"
    assert usage["usage"]["completion_tokens"] == 2
    assert done == "[DONE]"


async def test_each_choice_that_is_open_ends(api: Api) -> None:
    api.engine.scripts.extend([script("All", "."), BEGUN, [Accepted(7)]])
    async with api.client() as client:
        response = await client.post(CHAT, json=chat(n=3, timeout=0.2))
    choices = response.json()["choices"]
    assert [text_of(one) for one in choices] == ["All.", "Once upon", ""]
    assert [one["finish_reason"] for one in choices] == ["stop", "length", "length"]
    assert response.json()["usage"]["prompt_tokens"] == 7
    assert response.json()["usage"]["completion_tokens"] == 4
    assert len(api.engine.cancelled) == 2


async def test_waiting_in_the_line_counts(api: Api) -> None:
    api.model.config = replace(api.model.config, max_running=1)
    async with api.client() as client:
        first = asyncio.create_task(client.post(CHAT, json=chat()))
        await until(lambda: api.engine.requests)
        response = await client.post(CHAT, json=chat(timeout=0.2))
        assert response.status_code == 504
        assert len(api.engine.requests) == 1
        first.cancel()


@pytest.mark.parametrize("path", ["/api/chat", "/api/generate"])
@pytest.mark.parametrize("begun", [True, False])
async def test_the_servers_own_limit_holds_for_all(api: Api, path: str, begun: bool) -> None:
    config = api.app.context.config
    api.app.configure(replace(config, limits=LimitsConfig(request_seconds=0.2)))
    api.engine.scripts.append(BEGUN if begun else [])
    async with api.client() as client:
        body = {**chat(model="demo", stream=False), "prompt": "x"}
        del body["prompt" if path == "/api/chat" else "messages"]
        response = await client.post(path, json=body)
    if begun:
        assert response.json()["done_reason"] == "length"
    else:
        assert response.status_code == 504
        assert response.json() == {"error": "Request deadline exceeded."}


async def test_a_timeout_is_no_more_than_the_servers_limit(api: Api) -> None:
    config = api.app.context.config
    api.app.configure(replace(config, limits=LimitsConfig(request_seconds=0.2)))
    async with api.client() as client:
        async with asyncio.timeout(10):
            response = await client.post(CHAT, json=chat(timeout=1000))
    assert response.status_code == 504


@pytest.mark.parametrize("timeout", [0, -1, "1", True, 1e9])
async def test_what_is_no_time(api: Api, timeout: object) -> None:
    async with api.client() as client:
        response = await client.post(CHAT, json=chat(timeout=timeout))
    assert response.status_code == 400
    assert response.json()["error"]["param"] == "timeout"
