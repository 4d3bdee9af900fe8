"""Requests that are none: sizes, chunks, headers."""

from __future__ import annotations

import asyncio
import json
import re
import time

from soak.case import case
from soak.client.bodies import HELLO
from soak.client.malformed import BROKEN
from soak.client.prompts import GREETING, chat
from soak.client.raw import CHUNKED, Raw, chunk, post
from soak.context import SoakContext, check_error_body

LIMIT = 16 * 1024 * 1024
MEGABYTE = b" " * 1_000_000
ONE_BYTE_CHUNKS = 1_000_000


async def _too_large(raw: Raw) -> None:
    status, body = await raw.response()
    assert status == 413, body
    check_error_body(body)


@case(22, "A body too large, declared or chunked", quick=True)
async def too_large(context: SoakContext) -> str:
    start = time.perf_counter()
    async with context.raw() as raw:
        await raw.send(post(b"{", Content_Length=str(LIMIT + 1)))
        await _too_large(raw)
    declared = time.perf_counter() - start
    async with context.raw() as raw:
        await raw.send(post(b"", **CHUNKED))
        for _ in range(LIMIT // len(MEGABYTE) + 1):
            await raw.send(chunk(MEGABYTE))
        await _too_large(raw)
    chunked = time.perf_counter() - start - declared
    async with context.raw() as raw:
        sent = await _endless(raw)
    return (
        f"413 after {1000 * declared:.0f} ms (declared), {1000 * chunked:.0f} ms (chunked); "
        f"an endless one was cut off after {sent} MB"
    )


async def _endless(raw: Raw) -> int:
    """Send without an end; the megabytes until the server had enough."""
    await raw.send(post(b"", **CHUNKED))
    for sent in range(1000):
        try:
            await raw.send(chunk(MEGABYTE))
        except ConnectionError:
            return sent
    raise AssertionError("a gigabyte was taken")


@case(23, "A million chunks of a byte")
async def tiny_chunks(context: SoakContext) -> str:
    text = "a" * (ONE_BYTE_CHUNKS - len(json.dumps(chat(""))))
    body = json.dumps(chat(text)).encode()
    chunks = b"".join(chunk(body[at : at + 1]) for at in range(len(body)))
    start = time.perf_counter()
    async with context.raw() as raw:
        await raw.send(post(b"", **CHUNKED) + chunks + b"0\r\n\r\n")
        status, answer = await asyncio.wait_for(_slow_response(raw), 120)
    assert status == 400, answer
    check_error_body(answer)
    return f"{len(body)} chunks, refused after {time.perf_counter() - start:.1f} s"


async def _slow_response(raw: Raw) -> tuple[int, object]:
    head = (await raw.reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    found = re.search(r"(?i)content-length: (\d+)", head)
    assert found is not None, head
    return int(head.split()[1]), json.loads(await raw.reader.readexactly(int(found.group(1))))


@case(23, "Bad chunk sizes, floods of headers, headers of 70 KB", quick=True)
async def broken_framing(context: SoakContext) -> str:
    """The same list is what 24 is about: nothing that follows is taken for a request."""
    generated = await context.metric("ovapi_http_requests_total")
    for request in BROKEN:
        async with context.raw() as raw:
            await raw.send(request + post(HELLO))
            answer = await raw.rest()
        assert answer.count(b"HTTP/1.1") <= 1, answer
        assert answer[:10] in (b"", b"HTTP/1.1 4"), answer
    assert generated
    return f"{len(BROKEN)} refused or closed"


@case(24, "Two lengths, and pipelining", quick=True)
async def smuggling(context: SoakContext) -> str:
    body = json.dumps(chat(GREETING)).encode()
    inner = post(HELLO, path="/v1/smuggled")
    both = post(inner, Content_Length=str(len(inner)), Transfer_Encoding="chunked")
    twice = post(inner).replace(b"Content-Length", b"Content-Length: 0\r\nContent-Length", 1)
    for request in (both, twice):
        async with context.raw() as raw:
            await raw.send(request)
            answer = await raw.rest()
        assert answer[:10] in (b"", b"HTTP/1.1 4"), answer
    async with context.raw() as raw:
        await raw.send((post(body) + post({})) * 5)
        statuses = [(await raw.response())[0] for _ in range(10)]
    assert statuses == [200, 400] * 5
    await asyncio.sleep(0.1)
    assert "smuggled" not in context.server.log
    return "nothing inside was taken for a request; ten in a row were answered in order"
