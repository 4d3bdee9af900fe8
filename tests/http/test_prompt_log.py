"""The line of what a request asked and got: there for who has asked for it, and bounded."""

from __future__ import annotations

import json
import logging
from dataclasses import replace
from typing import Any

import pytest

from ovapi import logs
from ovapi.core import Accepted, Delta, Failed
from ovapi.errors import EngineFailed
from ovapi.http.telemetry.prompt_log import MAX_CHARACTERS
from tests.support.api import Api, until
from tests.support.fake_engine import script

SECRET = "what only\nthe two of us know"
ANSWER = "and what\u2028I say"
CHAT = {"messages": [{"role": "user", "content": SECRET}]}
REQUESTS: list[tuple[str, dict[str, Any]]] = [
    ("/v1/chat/completions", CHAT),
    ("/v1/chat/completions", {**CHAT, "stream": True}),
    ("/v1/completions", {"prompt": SECRET}),
    ("/api/chat", {"model": "demo", **CHAT}),
    ("/api/generate", {"model": "demo", "prompt": SECRET, "stream": False}),
]


@pytest.fixture
def verbose(api: Api) -> Api:
    """The server, with `logging.prompts`."""
    config = api.app.context.config
    api.app.configure(replace(config, logging=replace(config.logging, prompts=True)))
    return api


@pytest.fixture
def lines(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    """All that is logged, at any level."""
    caplog.set_level(logging.DEBUG)
    return caplog


def transcripts(lines: pytest.LogCaptureFixture) -> list[dict[str, str]]:
    return [vars(line)["fields"] for line in lines.records if line.name == "ovapi.prompts"]


@pytest.mark.parametrize(("path", "body"), REQUESTS)
async def test_a_request_leaves_one_line(
    verbose: Api, lines: pytest.LogCaptureFixture, path: str, body: dict[str, Any]
) -> None:
    verbose.engine.scripts.append(script(ANSWER[:4], ANSWER[4:]))
    async with verbose.client() as client:
        await client.post(path, json=body, headers={"X-Request-ID": "mine"})
    (fields,) = transcripts(lines)
    asked = json.loads(fields["asked"])
    assert SECRET in (asked.get("prompt"), *(one["content"] for one in asked.get("messages", [])))
    assert json.loads(fields["got"]) == [ANSWER]
    assert (fields["request"], fields["model"]) == ("mine", "demo")
    assert fields["answer"] == verbose.engine.requests[0].id
    (line,) = [
        logs.TextFormatter().format(one) for one in lines.records if one.name == "ovapi.prompts"
    ]
    assert line.isprintable()


@pytest.mark.parametrize(("path", "body"), REQUESTS)
async def test_by_default_nobody_writes_it_down(
    api: Api, lines: pytest.LogCaptureFixture, path: str, body: dict[str, Any]
) -> None:
    api.engine.scripts.append(script(ANSWER))
    async with api.client() as client:
        await client.post(path, json=body)
    everything = "".join(logs.JsonFormatter().format(line) for line in lines.records)
    assert path in everything
    assert "two of us" not in everything
    assert "what" not in everything


async def test_every_choice_is_there(verbose: Api, lines: pytest.LogCaptureFixture) -> None:
    verbose.engine.scripts += [script("one"), script("two")]
    async with verbose.client() as client:
        await client.post("/v1/chat/completions", json={**CHAT, "n": 2})
    (fields,) = transcripts(lines)
    assert json.loads(fields["got"]) == ["one", "two"]


async def test_a_refused_request_has_got_nothing(
    verbose: Api, lines: pytest.LogCaptureFixture
) -> None:
    verbose.engine.scripts.append([Failed(EngineFailed("It broke."))])
    async with verbose.client() as client:
        await client.post("/v1/chat/completions", json=CHAT)
    (fields,) = transcripts(lines)
    assert "two of us" in fields["asked"]
    assert json.loads(fields["got"]) == []


async def test_a_client_that_goes_away_leaves_what_there_was(
    verbose: Api, lines: pytest.LogCaptureFixture
) -> None:
    verbose.engine.scripts.append([Accepted(7), Delta("so far", (1,))])
    async with (
        verbose.client() as client,
        client.stream("POST", "/v1/chat/completions", json={**CHAT, "stream": True}) as answer,
    ):
        await anext(answer.aiter_lines())
    await until(lambda: transcripts(lines))
    (fields,) = transcripts(lines)
    assert json.loads(fields["got"]) == ["so far"]


async def test_a_line_has_an_end(verbose: Api, lines: pytest.LogCaptureFixture) -> None:
    turns = [{"role": "user", "content": f"turn {number} " + "x" * 900} for number in range(900)]
    verbose.engine.scripts.append(script("first " + "y" * 10**6 + " last"))
    async with verbose.client() as client:
        await client.post("/v1/chat/completions", json={"messages": turns})
    (fields,) = transcripts(lines)
    assert max(len(fields["asked"]), len(fields["got"])) < MAX_CHARACTERS + 50
    assert "turn 899" in fields["asked"]
    assert fields["got"].startswith('["first yy')
    assert fields["got"].endswith('y last"]')
