"""What arrives on the socket before there is a request: sizes, framing, slowness."""

from __future__ import annotations

import json

import pytest

from soak.client.bodies import HELLO, chat
from soak.client.malformed import BROKEN
from soak.client.raw import CHUNKED, Raw, chunk, connect, post
from tests.support.api import LIMITS, SCHEMAS, Api, until
from tests.support.fake_engine import script

TOO_MUCH = LIMITS.max_body_bytes + 1


async def assert_too_large(raw: Raw) -> None:
    status, body = await raw.response()
    assert status == 413
    SCHEMAS.validate("openai/error", body)


async def test_a_body_announced_too_large_is_413(api: Api) -> None:
    async with connect(api.port) as raw:
        await raw.send(post(b" " * TOO_MUCH))
        await assert_too_large(raw)


async def test_the_connection_goes_on_after_413(api: Api) -> None:
    api.engine.scripts.append(script("Hi"))
    async with connect(api.port) as raw:
        await raw.send(post(b" " * TOO_MUCH))
        await assert_too_large(raw)
        await raw.send(post(HELLO))
        assert (await raw.response())[0] == 200


async def test_413_comes_before_the_body_has(api: Api) -> None:
    async with connect(api.port) as raw:
        await raw.send(post(b"{", Content_Length=str(10**15)))
        await assert_too_large(raw)


async def test_who_asks_to_continue_is_told_not_to(api: Api) -> None:
    async with connect(api.port) as raw:
        await raw.send(post(b"", Content_Length=str(TOO_MUCH), Expect="100-continue"))
        await assert_too_large(raw)
        assert await raw.rest() == b""


async def test_who_asks_to_continue_may(api: Api) -> None:
    body = json.dumps(HELLO).encode()
    api.engine.scripts.append(script("Hi"))
    async with connect(api.port) as raw:
        await raw.send(post(b"", Content_Length=str(len(body)), Expect="100-continue"))
        assert (await raw.head())[0] == 100
        await raw.send(body)
        assert (await raw.response())[0] == 200


async def test_a_chunked_body_too_large_is_413(api: Api) -> None:
    async with connect(api.port) as raw:
        await raw.send(post(b"", **CHUNKED))
        for _ in range(TOO_MUCH // 100_000 + 1):
            await raw.send(chunk(b" " * 100_000))
        await assert_too_large(raw)
        await raw.send(b"0\r\n\r\n")
        await raw.send(post({}))
        assert (await raw.response())[0] == 400


async def test_a_body_in_one_byte_chunks_is_read(api: Api) -> None:
    api.engine.scripts.append(script("Hi"))
    body = json.dumps(chat(user="x" * 1000)).encode()
    pieces = b"".join(chunk(body[at : at + 1]) for at in range(len(body)))
    async with connect(api.port) as raw:
        await raw.send(post(b"", **CHUNKED) + pieces + b"0\r\n\r\n")
        assert (await raw.response())[0] == 200


async def test_a_slow_body_ends_at_the_deadline(api: Api) -> None:
    async with connect(api.port) as raw:
        await raw.send(post(b"", Content_Length="100") + b"{")
        assert await raw.rest() == b""
    assert api.app.active == 0


async def test_a_client_that_leaves_in_its_body_is_forgotten(api: Api) -> None:
    async with connect(api.port) as raw:
        await raw.send(post(b"", Content_Length="100") + b"{")
        await until(lambda: api.app.active == 1)
    await until(lambda: api.app.active == 0)


@pytest.mark.parametrize("request_", BROKEN)
async def test_broken_framing_smuggles_nothing(api: Api, request_: bytes) -> None:
    """One refusal at most, then the end: what follows is never taken for a request."""
    api.engine.scripts += [script("Hi"), script("Hi")]
    async with connect(api.port) as raw:
        await raw.send(request_ + post(HELLO))
        answer = await raw.rest()
    assert answer.count(b"HTTP/1.1") <= 1
    assert answer[:10] in (b"", b"HTTP/1.1 4")
    assert not api.engine.requests


async def test_pipelined_requests_are_answered_in_order(api: Api) -> None:
    api.engine.scripts += [script("one"), script("two")]
    async with connect(api.port) as raw:
        await raw.send(post(HELLO) + post({}) + post(HELLO))
        answers = [await raw.response() for _ in range(3)]
    assert [status for status, _ in answers] == [200, 400, 200]
    assert answers[0][1]["choices"][0]["message"]["content"] == "one"
    assert answers[2][1]["choices"][0]["message"]["content"] == "two"


@pytest.mark.parametrize("method", ["BREW", "PROPFIND", "CONNECT", "post"])
async def test_an_unknown_method_is_405(api: Api, method: str) -> None:
    async with connect(api.port) as raw:
        await raw.send(f"{method} / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode())
        status, body = await raw.response()
    assert status == 405
    SCHEMAS.validate("openai/error", body)
