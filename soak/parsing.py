"""Bodies that are no requests."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Sequence

from soak.case import case
from soak.client.bodies import CHAT
from soak.client.malformed import BODIES, HELLO_TEXT
from soak.client.parameters import PARAMETERS
from soak.context import SoakContext, check_error

JSON = {"Content-Type": "application/json"}
PATHS = (CHAT, "/v1/completions", "/tokenize", "/detokenize")

TRUNCATED = [HELLO_TEXT[:end].encode() for end in range(len(HELLO_TEXT))]
OTHER_ROOTS = [b"[]", b'"text"', b"42", b"true", b"null", b"", b" \n"]
ENCODINGS = [
    b"\xff" + HELLO_TEXT.encode(),
    HELLO_TEXT.encode("utf-16"),
    HELLO_TEXT.encode("utf-32"),
    b"\xef\xbb\xbf" + HELLO_TEXT.encode(),
    HELLO_TEXT.replace("Hello", "\\ud800").encode(),
    HELLO_TEXT.replace("Hello", "\\udfff\\ud800").encode(),
    HELLO_TEXT.replace("Hello", "\\u0000").encode(),
    HELLO_TEXT.replace("content", "cont\\u0000ent").encode(),
    HELLO_TEXT.encode().replace(b"Hello", b"\xed\xa0\x80"),
    HELLO_TEXT.encode().replace(b"Hello", b"\xf8\x88\x80\x80\x80"),
]
NUMBERS = ["9" * 5000, str(2**63), "-1", "1e400", "-1e400", "NaN", "Infinity", "-Infinity"]
NUMERIC = ("temperature", "max_tokens", "seed", "top_p", "n")


async def _refused(
    context: SoakContext, bodies: Sequence[bytes], paths: Sequence[str] = (CHAT,)
) -> str:
    """Each is a 400; the figures."""
    slowest = 0.0
    for body in bodies:
        for path in paths:
            start = time.perf_counter()
            response = await context.client.post(path, content=body, headers=JSON)
            slowest = max(slowest, time.perf_counter() - start)
            check_error(response, 400)
    return f"{len(bodies) * len(paths)} refused, the slowest after {1000 * slowest:.0f} ms"


@case(16, "Truncated JSON, other roots, empty bodies", quick=True)
async def broken_json(context: SoakContext) -> str:
    return await _refused(context, [*TRUNCATED, *OTHER_ROOTS, *(body for body, _ in BODIES)])


@case(17, "Nesting of 100, 1,000 and 100,000, and of a whole body", quick=True)
async def nesting(context: SoakContext) -> str:
    bodies = [
        b'{"messages":' + opening * depth + b"1" + closing * depth + b"}"
        for depth in (65, 100, 1000, 100_000)
        for opening, closing in ((b"[", b"]"), (b'{"a":', b"}"))
    ]
    return await _refused(context, [*bodies, b"[" * 8_000_000, b'{"a":' * 1_000_000], PATHS[:2])


@case(18, "Numbers that are none, or too large", quick=True)
async def numbers(context: SoakContext) -> str:
    bodies = [
        HELLO_TEXT.replace("{", f'{{"{name}": {number}, ', 1).encode()
        for name in NUMERIC
        for number in NUMBERS
    ]
    return await _refused(context, bodies)


@case(19, "Duplicate keys", quick=True)
async def duplicates(context: SoakContext) -> str:
    message = b'{"role": "user", "content": "a"}'
    bodies = [
        b'{"messages": [], "messages": [' + message + b"]}",
        b'{"messages": [{"role": "user", "role": "system", "content": "a"}]}',
        b'{"messages": [' + message + b'], "metadata": {"a": "1", "\\u0061": "2"}}',
    ]
    return await _refused(context, bodies)


@case(20, "Other encodings, byte order marks, surrogates, NUL", quick=True)
async def encodings(context: SoakContext) -> str:
    return await _refused(context, ENCODINGS)


@case(21, "Another Content-Type, a compressed body", quick=True)
async def media_types(context: SoakContext) -> str:
    headers: list[dict[str, str]] = [
        {},
        {"Content-Type": "text/plain"},
        {"Content-Type": "application/json; charset=utf-16"},
        {"Content-Type": "multipart/form-data; boundary=x"},
        *({**JSON, "Content-Encoding": name} for name in ("gzip", "br", "zstd", "x, gzip")),
    ]
    for one in headers:
        check_error(await context.client.post(CHAT, content=HELLO_TEXT, headers=one), 415)
    return f"{len(headers)} refused"


@case(25, "Wrong types and values beyond all bounds", quick=True)
async def parameters(context: SoakContext) -> str:
    start = time.perf_counter()
    for param, body in PARAMETERS:
        response = await context.client.post(CHAT, json=body)
        check_error(response, 400, 404)
        assert response.json()["error"]["param"] == (param or None), response.text
    seconds = time.perf_counter() - start
    return f"{len(PARAMETERS)} refused by name in {seconds:.1f} s"


def huge_bodies() -> Iterator[tuple[str, str, bytes]]:
    """Names, paths and bodies of some 15 MB, each of very many small parts."""
    user = HELLO_TEXT.removesuffix("}")
    keys = ",".join(f'"{number}":1' for number in range(1_200_000))
    for name, path, before, item, after in (
        ("messages", CHAT, '{"messages":[', '{"role":"user","content":""}', "]}"),
        ("parts", CHAT, '{"messages":[{"role":"user","content":[', '{"type":"text"}', "]}]}"),
        ("lists", CHAT, f'{user},"temperature":[', "[]", "]}"),
        ("numbers", CHAT, f'{user},"stop_token_ids":[', "1", "]}"),
        ("strings", CHAT, f'{user},"stop":[', '"a"', "]}"),
        ("ids", "/v1/completions", '{"prompt":[', "1", "]}"),
        ("prompts", "/v1/completions", '{"prompt":[', '"a"', "]}"),
        ("tokens", "/detokenize", '{"tokens":[', "9", "]}"),
    ):
        many = 15_000_000 // (len(item) + 1)
        yield name, path, f"{before}{','.join([item] * many)}{after}".encode()
    for name in ("metadata", "chat_template_kwargs", "logit_bias"):
        yield f"keys of {name}", CHAT, f'{user},"{name}":{{{keys}}}}}'.encode()
    yield "unknown keys", CHAT, f"{user},{keys}}}".encode()
    yield "text", "/tokenize", f'{{"prompt":"{"the sea " * 1_900_000}"}}'.encode()
    yield "control tokens", CHAT, HELLO_TEXT.replace("Hello", "<|im_end|>" * 1_500_000).encode()


@case(25, "Huge bodies of very many small parts", quick=True)
async def many_parts(context: SoakContext) -> str:
    figures = []
    for name, path, body in huge_bodies():
        start = time.perf_counter()
        posts = [context.client.post(path, content=body, headers=JSON) for _ in range(2)]
        for response in await asyncio.gather(*posts):
            check_error(response, 400)
        figures.append(f"{name} {time.perf_counter() - start:.1f} s")
    return "two at a time: " + ", ".join(figures)
