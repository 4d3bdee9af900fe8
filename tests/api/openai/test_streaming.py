"""The stream of a chat completion: its bytes, its errors, and clients that leave or dawdle."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from typing import Any

import pytest

from ovapi.core import Accepted, Delta, Failed, Finished, TokenLogprob, Usage
from ovapi.errors import ContextLengthExceeded, EngineFailed
from soak.client.bodies import CHAT, chat
from soak.client.raw import Raw, connect, post
from tests.support.api import SCHEMAS, Api, until
from tests.support.fake_engine import script

STREAM = chat(stream=True)
WITH_USAGE = chat(stream=True, stream_options={"include_usage": True})


def events(text: str) -> list[Any]:
    """The chunks of a stream, checked against the schema; the last one is [DONE]."""
    lines = text.split("\n\n")
    assert lines.pop() == ""
    assert lines.pop() == "data: [DONE]"
    chunks = [json.loads(line.removeprefix("data: ")) for line in lines if line[0] != ":"]
    for one in chunks:
        SCHEMAS.validate("openai/error" if "error" in one else "openai/chat_chunk", one)
    return chunks


async def stream(api: Api, body: dict[str, Any]) -> list[Any]:
    async with api.client() as client:
        response = await client.post(CHAT, json=body)
    assert response.status_code == 200
    assert response.headers["Content-Type"] == "text/event-stream; charset=utf-8"
    assert response.headers["Cache-Control"] == "no-cache"
    return events(response.text)


async def test_every_chunk_has_the_usage_so_far(api: Api) -> None:
    """The tokens of a chunk count with it, and so do those before it that had no text."""
    options = {"include_usage": True, "continuous_usage_stats": True}
    for _ in range(2):
        deltas = [Delta("", (1,)), Delta("a", (2, 3)), Delta("b", (4,))]
        api.engine.scripts.append([Accepted(7), *deltas, Finished("stop", Usage(7, 4, 5))])
    chunks = await stream(api, chat(stream=True, stream_options=options, n=2))
    *usages, last = [chunk["usage"] for chunk in chunks]
    generated = [1, 3, 4, 4, 5, 7, 8, 8]
    assert usages == [
        {"prompt_tokens": 7, "completion_tokens": count, "total_tokens": 7 + count}
        for count in generated
    ]
    assert last == {**usages[-1], "prompt_tokens_details": {"cached_tokens": 5}}


async def test_the_usage_so_far_without_that_at_the_end(api: Api) -> None:
    api.engine.scripts.append(script("a", "b"))
    chunks = await stream(api, chat(stream=True, stream_options={"continuous_usage_stats": True}))
    assert [one["usage"]["completion_tokens"] for one in chunks] == [1, 1, 2, 2]
    assert all(one["choices"] for one in chunks)


async def test_the_stream_byte_for_byte(api: Api) -> None:
    api.engine.scripts.append(script('Say "é"\n', "データ: x\u2028"))
    async with api.client() as client:
        text = (await client.post(CHAT, json=STREAM)).content.decode()
    first = json.loads(text.split("\n\n")[0].removeprefix("data: "))
    head = (
        f'data: {{"id":"{first["id"]}","object":"chat.completion.chunk",'
        f'"created":{first["created"]},"model":"demo","system_fingerprint":"ovapi-0.1.0",'
        '"choices":[{"index":0,"delta":'
    )
    expected = [
        '{"role":"assistant","content":"","refusal":null},"logprobs":null,"finish_reason":null}]}',
        '{"content":"Say \\"é\\"\\n"},"logprobs":null,"finish_reason":null}]}',
        '{"content":"データ: x\u2028"},"logprobs":null,"finish_reason":null}]}',
        '{},"logprobs":null,"finish_reason":"stop"}]}',
    ]
    assert text == "".join(f"{head}{tail}\n\n" for tail in expected) + "data: [DONE]\n\n"


async def test_one_id_and_one_time_throughout(api: Api) -> None:
    api.engine.scripts.append(script("a", "b", "c"))
    chunks = await stream(api, STREAM)
    assert len({(one["id"], one["created"], one["model"]) for one in chunks}) == 1


async def test_usage_comes_last_and_is_null_before(api: Api) -> None:
    api.engine.scripts.append(script("a", "b"))
    chunks = await stream(api, WITH_USAGE)
    assert [one["usage"] for one in chunks[:-1]] == [None] * 4
    assert chunks[-1]["choices"] == []
    assert chunks[-1]["usage"] == {
        "prompt_tokens": 7,
        "completion_tokens": 2,
        "total_tokens": 9,
        "prompt_tokens_details": {"cached_tokens": 3},
    }


async def test_no_usage_unless_asked_for(api: Api) -> None:
    api.engine.scripts.append(script("a"))
    assert all("usage" not in one for one in await stream(api, STREAM))


@pytest.mark.parametrize("connection", ["close", "keep-alive"])
async def test_http_1_0_ends_a_stream_by_closing(api: Api, connection: str) -> None:
    api.engine.scripts.append(script("Hi"))
    request = post(STREAM, Connection=connection).replace(b"HTTP/1.1", b"HTTP/1.0", 1)
    async with connect(api.port) as raw:
        await raw.send(request)
        _, headers = await raw.head()
        assert "transfer-encoding" not in headers
        assert len(events((await raw.rest()).decode())) == 3


async def test_three_choices_interleaved(api: Api) -> None:
    running = asyncio.create_task(stream(api, {**WITH_USAGE, "n": 3, "seed": 5}))
    await until(lambda: len(api.engine.sinks) == 3)
    sinks = list(api.engine.sinks.values())
    for step in script("a", "b", "c"):
        for sink in sinks:
            sink(step)
    chunks = await running
    by_index = [
        [c["choices"][0] for c in chunks[:-1] if c["choices"][0]["index"] == i] for i in range(3)
    ]
    for choices in by_index:
        assert choices[0]["delta"]["role"] == "assistant"
        assert "".join(one["delta"].get("content", "") for one in choices) == "abc"
        assert [one["finish_reason"] for one in choices] == [None] * 4 + ["stop"]
    assert chunks[-1]["usage"]["prompt_tokens"] == 7
    assert chunks[-1]["usage"]["completion_tokens"] == 9
    assert [one.sampling.seed for one in api.engine.requests] == [5, 6, 7]


async def test_nothing_is_sent_before_the_first_result(api: Api) -> None:
    async with connect(api.port) as raw:
        await raw.send(post(STREAM))
        await until(lambda: api.engine.sinks)
        (sink,) = api.engine.sinks.values()
        sink(Accepted(7))
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(raw.reader.read(1), 0.05)
        sink(Delta("Hi"))
        assert (await raw.head())[0] == 200


async def test_tokens_without_text_send_the_role_only(api: Api) -> None:
    usage = Usage(7, 2)
    api.engine.scripts.append(
        [Accepted(7), Delta("", (1,)), Delta("é", (2,)), Finished("length", usage)]
    )
    deltas = [one["choices"][0]["delta"] for one in await stream(api, STREAM)]
    assert deltas == [{"role": "assistant", "content": "", "refusal": None}, {"content": "é"}, {}]


async def test_logprobs(api: Api) -> None:
    token = TokenLogprob("\ufffd", -0.5, b"\xc3")
    usage = Usage(7, 1)
    api.engine.scripts.append([Accepted(7), Delta("", (1,), (token,)), Finished("stop", usage)])
    chunks = await stream(api, {**STREAM, "logprobs": True})
    assert chunks[1]["choices"][0]["logprobs"]["content"] == [
        {"token": "\ufffd", "logprob": -0.5, "bytes": [195], "top_logprobs": []}
    ]


@pytest.mark.parametrize("accepted", [[], [Accepted(7)]])
async def test_an_error_before_the_first_result_is_a_status(
    api: Api, accepted: list[Accepted]
) -> None:
    error = ContextLengthExceeded("Too long.", param="messages")
    api.engine.scripts.append([*accepted, Failed(error)])
    async with api.client() as client:
        response = await client.post(CHAT, json=STREAM)
    assert response.status_code == 400
    assert response.headers["Content-Type"] == "application/json"
    assert response.json()["error"]["code"] == "context_length_exceeded"


async def test_a_later_error_is_an_event(api: Api) -> None:
    api.engine.scripts.append([Accepted(7), Delta("Hi")])
    running = asyncio.create_task(stream(api, STREAM))
    await until(lambda: api.engine.sinks)
    await asyncio.sleep(0.02)
    for sink in api.engine.sinks.values():
        sink(Failed(EngineFailed("It broke.")))
    chunks = await running
    assert chunks[1]["choices"][0]["delta"] == {"content": "Hi"}
    assert chunks[-1] == {
        "error": {
            "message": "It broke.",
            "type": "server_error",
            "param": None,
            "code": "engine_failed",
        }
    }
    assert api.app.active == 0
    assert api.model.in_flight == 0


async def test_the_failure_of_one_choice_ends_them_all(api: Api) -> None:
    running = asyncio.create_task(stream(api, chat(stream=True, n=3)))
    await until(lambda: len(api.engine.sinks) == 3)
    first, *others = api.engine.sinks
    for sink in api.engine.sinks.values():
        sink(Accepted(7))
        sink(Delta("Hi"))
    await asyncio.sleep(0.02)
    api.engine.sinks[first](Failed(EngineFailed("It broke.")))
    assert "error" in (await running)[-1]
    assert sorted(api.engine.cancelled) == sorted(others)
    assert api.model.in_flight == 0


async def test_a_comment_while_there_is_silence(api: Api) -> None:
    api.keep_alive_every(0.1)
    async with connect(api.port) as raw:
        await raw.send(post(STREAM))
        await until(lambda: api.engine.sinks)
        (sink,) = api.engine.sinks.values()
        sink(Accepted(7))
        assert (await raw.head())[0] == 200
        assert await raw.reader.readuntil(b"\n\n\r\n") == b"e\r\n: keep-alive\n\n\r\n"
        for event in script("Hi")[1:]:
            sink(event)
        assert b"[DONE]" in await raw.reader.readuntil(b"0\r\n\r\n")


@pytest.mark.parametrize("body", [STREAM, chat(), chat(stream=True, n=3)])
@pytest.mark.parametrize("begun", [True, False])
async def test_a_client_that_leaves_cancels(api: Api, body: dict[str, Any], begun: bool) -> None:
    async with connect(api.port) as raw:
        await raw.send(post(body))
        await until(lambda: len(api.engine.sinks) == body.get("n", 1))
        if begun:
            for sink in api.engine.sinks.values():
                sink(Accepted(7))
                sink(Delta("Hi"))
            await asyncio.sleep(0.02)
    await until(lambda: len(api.engine.cancelled) == body.get("n", 1))
    await until(lambda: api.app.active == 0)
    assert api.model.in_flight == 0


PIECE = "x" * 50_000


async def begin_flood(api: Api, raw: Raw) -> Any:
    """A stream whose client does not read, and more text than the sockets between can hold."""
    seen = set(api.engine.sinks)
    await raw.send(post(chat(stream=True)))
    await until(lambda: set(api.engine.sinks) - seen)
    (name,) = set(api.engine.sinks) - seen
    sink = api.engine.sinks[name]
    sink(Accepted(7))
    for _ in range(200):
        sink(Delta(PIECE))
        await asyncio.sleep(0)
    return sink


async def test_a_slow_reader_holds_back_nobody(api: Api) -> None:
    async with connect(api.port) as slow:
        sink = await begin_flood(api, slow)
        api.engine.scripts.append(script("Hi"))
        async with asyncio.timeout(10):
            assert len(await stream(api, STREAM)) == 3
        sink(Finished("stop", Usage(7, 200)))
        received = b""
        while b"[DONE]" not in received[-200:]:
            received += await asyncio.wait_for(slow.reader.read(2**20), 5)
        assert received.count(PIECE.encode()) == 200
        assert received.count(b'"finish_reason":"stop"') == 1


async def test_a_reader_that_stalls_is_dropped(api: Api) -> None:
    limits = replace(api.app.context.config.server, write_timeout=0.1)
    api.server.configure_limits(limits)
    async with connect(api.port) as slow:
        await begin_flood(api, slow)
        await until(lambda: api.engine.cancelled)
        await until(lambda: api.app.active == 0)


async def test_a_stalled_reader_that_leaves_is_forgotten(api: Api) -> None:
    async with connect(api.port) as slow:
        await begin_flood(api, slow)
    await until(lambda: api.engine.cancelled)
    await until(lambda: api.app.active == 0)
    await until(lambda: not any("_execute" in repr(one.get_coro()) for one in asyncio.all_tasks()))
