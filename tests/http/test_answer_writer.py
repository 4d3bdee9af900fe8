"""Answers that are large, and answers that are long in coming."""

from __future__ import annotations

import asyncio
import gc
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest

from ovapi.core import Accepted, Delta, Event, Failed, Finished, TokenLogprob, Usage
from ovapi.errors import EngineFailed, QueueTimeout
from ovapi.http.tornado_private import HalfClosableStream
from ovapi.serving.metrics.loop_lag import LoopLag
from soak.client.bodies import CHAT, HELLO, chat
from soak.client.raw import Raw, connect, post
from tests.support.api import SCHEMAS, Api, until
from tests.support.fake_engine import script

COMPLETIONS = "/v1/completions"
PROMPTS, TOKENS = 150, 4000
OLLAMA = {"model": "demo", "messages": HELLO["messages"]}


def echoed() -> list[Event]:
    """A prompt of many tokens with their log-probabilities, and one token after it."""
    tokens = tuple(
        TokenLogprob(f"token {number}", -number / 7, b"token %d" % number)
        for number in range(TOKENS)
    )
    end = Delta("!", (1,), (TokenLogprob("!", -0.5, b"!"),))
    return [Accepted(TOKENS), Delta("x", (), tokens), end, Finished("length", Usage(TOKENS, 1))]


@asynccontextmanager
async def lags() -> AsyncIterator[list[float]]:
    """How late the loop was, each time that the metric looks."""
    found: list[float] = []
    probe = LoopLag(found.append)
    gc.freeze()  # what other tests have left is no server's
    probe.start()
    yield found
    probe.stop()
    gc.unfreeze()


async def large(api: Api, **parameters: Any) -> bytes:
    """The body of a large answer, as it comes from the socket."""
    config = replace(api.model.config, max_queued=PROMPTS)
    api.model.config = config
    events = echoed()
    api.engine.scripts += [events] * PROMPTS
    body = {"prompt": ["x"] * PROMPTS, "echo": True, "logprobs": 0, **parameters}
    async with connect(api.port) as raw:
        await raw.send(post(body, COMPLETIONS, Connection="close"))
        status, _ = await raw.head()
        assert status == 200
        return await everything(raw)


async def everything(raw: Raw) -> bytes:
    parts = []
    while part := await asyncio.wait_for(raw.reader.read(2**20), 60):
        parts.append(part)
    return b"".join(parts)


# --- large ---


@pytest.mark.parametrize("stream", [False, True])
async def test_the_loop_goes_on_while_a_large_answer_is_encoded(api: Api, stream: bool) -> None:
    shares = []
    for _ in range(3):  # a busy machine may be late by itself, but not every time
        began = time.monotonic()
        async with lags() as found:
            body = await large(api, stream=stream)
        assert len(body) > 20_000_000
        shares.append(max(found) / (time.monotonic() - began))
    assert min(shares) < 0.5


async def test_a_large_answer_is_whole(api: Api) -> None:
    answer = json.loads(await large(api))
    assert answer["usage"]["prompt_tokens"] == PROMPTS * TOKENS
    assert [one["index"] for one in answer["choices"]] == list(range(PROMPTS))
    names = [f"token {number}" for number in range(TOKENS)]
    for choice in answer["choices"]:
        assert choice["text"] == "x!"
        assert choice["logprobs"]["tokens"] == [*names, "!"]
        assert choice["logprobs"]["token_logprobs"][-2:] == [-(TOKENS - 1) / 7, -0.5]
        assert len(choice["logprobs"]["text_offset"]) == TOKENS + 1


# --- long in coming ---


@pytest.fixture
def early(api: Api) -> Api:
    """Headers go out after 0.1 s, and something blank every 0.05 s."""
    config = api.app.context.config
    server = replace(config.server, early_headers_seconds=0.1, keepalive_seconds=0.05)
    api.app.configure(replace(config, server=server))
    return api


@asynccontextmanager
async def waiting(
    api: Api, body: dict[str, Any], path: str = CHAT
) -> AsyncIterator[tuple[Raw, str]]:
    """A connection whose request waits and has got early headers, and its request's id."""
    async with connect(api.port) as raw:
        await raw.send(post(body, path, Connection="close"))
        status, headers = await raw.head()
        assert status == 200
        assert headers["transfer-encoding"] == "chunked"
        assert headers["x-accel-buffering"] == "no"
        yield raw, api.engine.requests[0].id


async def chunks(raw: Raw) -> list[bytes]:
    """The rest, in the chunks in which it came."""
    found, rest = [], await everything(raw)
    while rest:
        size, _, rest = rest.partition(b"\r\n")
        found.append(rest[: int(size, 16)])
        rest = rest[int(size, 16) + 2 :]
    assert found.pop() == b""
    return found


async def test_an_answer_follows_blank_space(early: Api) -> None:
    async with waiting(early, chat()) as (raw, request):
        for event in script("Hello"):
            early.engine.sinks[request](event)
            await asyncio.sleep(0.12)
        *blank, body = await chunks(raw)
    assert set(blank) == {b" "}
    assert len(blank) > 3
    answer = json.loads(b"".join([*blank, body]))
    SCHEMAS.validate("openai/chat_response", answer)
    assert answer["choices"][0]["message"]["content"] == "Hello"


async def test_a_stream_follows_comments(early: Api) -> None:
    async with waiting(early, chat(stream=True)) as (raw, request):
        await asyncio.sleep(0.12)
        for event in script("Hello"):
            early.engine.sinks[request](event)
        first, *_, last = await chunks(raw)
    assert first == b": keep-alive\n\n"
    assert last == b"data: [DONE]\n\n"


@pytest.mark.parametrize("stream", [False, True])
async def test_lines_of_json_follow_blank_space(early: Api, stream: bool) -> None:
    async with waiting(early, {**OLLAMA, "stream": stream}, "/api/chat") as (raw, request):
        for event in script("Hello"):
            early.engine.sinks[request](event)
            await asyncio.sleep(0.12)
        body = b"".join(await chunks(raw))
    assert body.startswith(b" ")
    lines = [json.loads(line) for line in body.splitlines()]
    assert "".join(line["message"]["content"] for line in lines) == "Hello"
    assert lines[-1]["done"]


@pytest.mark.parametrize(
    ("path", "body", "ends"),
    [
        (CHAT, chat(), b'"code":"queue_timeout"}}'),
        (CHAT, chat(stream=True), b'"code":"queue_timeout"}}\n\ndata: [DONE]\n\n'),
        ("/api/chat", {**OLLAMA, "stream": False}, b'{"error":"No."}'),
        ("/api/chat", OLLAMA, b'{"error":"No."}\n'),
    ],
)
async def test_a_late_refusal_comes_in_the_body(
    early: Api, path: str, body: dict[str, Any], ends: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    async with waiting(early, body, path) as (raw, request):
        early.engine.sinks[request](Failed(QueueTimeout("No.")))
        rest = b"".join(await chunks(raw))
    assert rest.endswith(ends)
    await until(lambda: not early.app.active)
    assert "200" in caplog.text
    assert "queue_timeout" in caplog.text
    assert "Cannot send error" not in caplog.text


async def test_a_late_failure_comes_in_the_body(early: Api) -> None:
    async with waiting(early, chat()) as (raw, request):
        for event in (Accepted(7), Delta("Hi", (1,)), Failed(EngineFailed("It broke."))):
            early.engine.sinks[request](event)
        body = json.loads(b"".join(await chunks(raw)))
    SCHEMAS.validate("openai/error", body)
    assert body["error"]["message"] == "It broke."


async def test_a_client_that_leaves_meanwhile_is_let_go(early: Api) -> None:
    async with waiting(early, chat()) as (_, request):
        pass
    await until(lambda: early.engine.cancelled == [request])
    await until(lambda: not early.app.active)


async def test_an_early_refusal_has_its_status(early: Api) -> None:
    early.engine.scripts.append([Failed(QueueTimeout("No."))])
    async with early.client() as client:
        assert (await client.post(CHAT, json=chat())).status_code == 503


async def test_without_the_option_nothing_is_sent_before_the_answer(api: Api) -> None:
    api.keep_alive_every(0.02)
    async with connect(api.port) as raw:
        await raw.send(post(chat()))
        await asyncio.sleep(0.3)
        api.engine.sinks[api.engine.requests[0].id](Failed(QueueTimeout("No.")))
        assert (await raw.response())[0] == 503


async def test_nothing_comes_between_the_parts_of_a_large_answer(early: Api) -> None:
    """A client that has ended its half is probed by blank space, but not inside of a word."""
    tokens = tuple(TokenLogprob("x" * 1000, -1.0, b"x") for _ in range(4 * TOKENS))
    async with waiting(early, chat(logprobs=True)) as (raw, request):
        (stream,) = early.server._open_connections
        assert isinstance(stream, HalfClosableStream)
        assert stream.probe is not None
        for event in (Accepted(7), Delta("Hi", (1,), tokens), Finished("stop", Usage(7, 1))):
            early.engine.sinks[request](event)
        await until(stream.writing)
        assert stream.probe is None
        answer = json.loads(b"".join(await chunks(raw)))
    shown = answer["choices"][0]["logprobs"]["content"]
    assert {one["token"] for one in shown} == {"x" * 1000}


async def test_http_1_0_sees_the_end(early: Api) -> None:
    async with connect(early.port) as raw:
        request = post(chat(), Connection="keep-alive").replace(b"HTTP/1.1", b"HTTP/1.0", 1)
        await raw.send(request)
        assert (await raw.head())[0] == 200
        for event in script("Hello"):
            early.engine.sinks[early.engine.requests[0].id](event)
        assert json.loads(await raw.rest())["object"] == "chat.completion"
