"""Too many requests, too many connections, and clients that leave, stall or dawdle."""

from __future__ import annotations

import asyncio
import random
import time
from contextlib import AsyncExitStack

import httpx

from bench.server_process import DEMO, ROOT, TOKEN_BYTES
from soak.case import case
from soak.client.bodies import CHAT
from soak.client.prompts import GREETING, LONG, LONG_PROMPT, chat
from soak.client.raw import Raw, connect, post
from soak.client.streams import deltas
from soak.context import SoakContext, check_error, only_demo
from soak.footprint import Footprint

IDLE_CONNECTIONS = 3000
MAX_CONNECTIONS = 500
BODY_SECONDS = HEADER_SECONDS = 2
WRITE_SECONDS = 10
CACHE_TOKENS = 4096
SMALL_CACHE = CACHE_TOKENS * TOKEN_BYTES
EDGE = "one " * (CACHE_TOKENS // 2)


@case(1, "A full queue refuses at once", config=only_demo(max_running=2, max_queued=4), quick=True)
async def full_queue(context: SoakContext) -> str:
    async def ask() -> tuple[httpx.Response, float]:
        start = time.perf_counter()
        response = await context.client.post(CHAT, json=chat(LONG))
        return response, time.perf_counter() - start

    answers = await asyncio.gather(*(ask() for _ in range(40)))
    served = [response for response, _ in answers if response.status_code == 200]
    refused = [(response, seconds) for response, seconds in answers if response not in served]
    for response, _ in refused:
        check_error(response, 429)
        assert int(response.headers["Retry-After"]) > 0
    assert 1 <= len(served) <= 6
    slowest = max(seconds for _, seconds in refused)
    assert slowest < 2
    return f"{len(refused)} of 40 refused, the slowest after {1000 * slowest:.0f} ms"


@case(2, "Thousands of idle connections", config={"server": {"max_connections": MAX_CONNECTIONS}})
async def idle_connections(context: SoakContext) -> str:
    async with AsyncExitStack() as stack:
        opened = [
            await stack.enter_async_context(connect(context.port)) for _ in range(IDLE_CONNECTIONS)
        ]
        await asyncio.sleep(1)
        held = Footprint.of(context.server)
        answers = [await asyncio.wait_for(_alive(raw), 10) for raw in opened]
        capped = answers.count(False)
        await context.check_answer(GREETING)
    assert capped, f"all of {IDLE_CONNECTIONS} connections are held: {held.descriptors} descriptors"
    return f"{IDLE_CONNECTIONS} opened, {capped} turned away"


async def _alive(raw: Raw) -> bool:
    """Whether the server answers on this connection."""
    try:
        await raw.send(b"GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        return (await raw.response())[0] == 200
    except (ConnectionError, asyncio.IncompleteReadError):
        return False


@case(3, "A client leaves while it is answered", quick=True)
async def gone_in_stream(context: SoakContext) -> str:
    parts = deltas(context.client, chat(LONG, n=1, max_tokens=2000, temperature=1, ignore_eos=True))
    await anext(parts)
    await parts.aclose()
    return f"its slot was free after {1000 * await context.wait_for_slots(1, 1):.0f} ms"


@case(3, "A client leaves while its prompt is read", quick=True)
async def gone_in_prefill(context: SoakContext) -> str:
    await _ask_and_leave(context, LONG_PROMPT, 0.1)
    return f"its slot was free after {1000 * await context.wait_for_slots(1, 1):.0f} ms"


@case(3, "A client leaves while it is queued", config=only_demo(max_running=1))
async def gone_in_queue(context: SoakContext) -> str:
    await asyncio.gather(*(_ask_and_leave(context, LONG, 0.3) for _ in range(20)))
    return f"20 slots were free after {1000 * await context.wait_for_slots(1, 1):.0f} ms"


async def _ask_and_leave(context: SoakContext, text: str, seconds: float) -> None:
    async with context.raw() as raw:
        await raw.send(post(chat(text, max_tokens=500)))
        await asyncio.sleep(seconds)


@case(
    4,
    "Hundreds leave a cache that is exhausted",
    config=only_demo(cache={"size": SMALL_CACHE}, max_running=64, max_queued=400),
)
async def disconnects_at_a_full_cache(context: SoakContext) -> str:
    dice = random.Random(4)
    prompts = [f"{n} {EDGE[: dice.randrange(len(EDGE) // 2)]}" for n in range(300)]
    await asyncio.gather(*(_ask_and_leave(context, text, dice.uniform(0.1, 6)) for text in prompts))
    await context.wait_for_slots(1, 2)
    whole = await _fill_the_cache(context)
    assert "silent" not in context.server.log
    assert "died" not in context.server.log
    return f"300 left; then one request took {whole} of {CACHE_TOKENS} tokens of cache"


async def _fill_the_cache(context: SoakContext) -> int:
    """One request that needs nearly every block that there is; the tokens that it took."""
    body = {"prompt": EDGE, "max_tokens": 8, "temperature": 0, "ignore_eos": True}
    usage = (await context.client.post("/v1/completions", json=body)).json()["usage"]
    room = CACHE_TOKENS - int(usage["prompt_tokens"])
    body["max_tokens"] = room - 64
    response = await context.client.post("/v1/completions", json=body)
    assert response.status_code == 200, response.text
    return int(response.json()["usage"]["total_tokens"])


@case(5, "Readers that stall", config={"server": {"write_timeout": WRITE_SECONDS}})
async def stalled_readers(context: SoakContext) -> str:
    body = {"n": 8, "max_tokens": 3500, "temperature": 1, "ignore_eos": True, "stream": True}
    before = Footprint.of(context.server)
    start = time.monotonic()
    async with AsyncExitStack() as stack:
        for _ in range(2):
            raw = await stack.enter_async_context(connect(context.port, limit=1024))
            await raw.send(post(chat(LONG, **body)))
        most = 0.0
        while context.server.log.count("stopped reading") < 2:
            assert time.monotonic() - start < 180, "they were not dropped within 180 s"
            most = max(most, Footprint.of(context.server).server - before.server)
            await asyncio.sleep(0.5)
        spent = time.monotonic() - start
    assert most < 32, f"the server grew by {most:.0f} MiB"
    return f"dropped within {spent:.0f} s, the server grew by {most:.0f} MiB meanwhile"


@case(6, "A body that comes slowly", config={"server": {"body_timeout": BODY_SECONDS}})
async def slow_body(context: SoakContext) -> str:
    async with context.raw() as raw:
        await raw.send(post(b"", Content_Length="1000"))
        seconds = await _dawdle(raw)
    return f"closed after {seconds:.1f} s, the limit is {BODY_SECONDS} s"


@case(6, "Headers that come slowly", config={"server": {"header_timeout": HEADER_SECONDS}})
async def slow_headers(context: SoakContext) -> str:
    async with context.raw() as raw:
        await raw.send(b"GET /health HTTP/1.1\r\n")
        seconds = await _dawdle(raw, 30)
    return f"closed after {seconds:.1f} s, the limit is {HEADER_SECONDS} s"


async def _dawdle(raw: Raw, most: float = 10) -> float:
    """Send a byte at a time until the server closes; the seconds until then."""
    start = time.monotonic()
    while not raw.reader.at_eof():
        assert time.monotonic() - start < most, f"still open after {most} s"
        try:
            await raw.send(b"x")
            await asyncio.wait_for(raw.reader.read(4096), 0.2)
        except TimeoutError:
            continue
        except ConnectionError:
            break
    return time.monotonic() - start


TIGHT = {
    "name": "tight",
    "path": str(ROOT / "models" / DEMO),
    "cache": {"size": SMALL_CACHE // 4},
}


@case(13, "Prompts over the context or the cache", config={"models": [{"name": DEMO}, TIGHT]})
async def too_long(context: SoakContext) -> str:
    for model, words in ((DEMO, 5000), ("tight", 1500), (DEMO, 500_000)):
        body = chat("one " * words, model=model)
        response = await context.client.post(CHAT, json=body)
        check_error(response, 400)
        assert response.json()["error"]["code"] == "context_length_exceeded"
    over = await context.client.post(CHAT, json=chat(GREETING, max_tokens=4096))
    check_error(over, 400, param="max_tokens")
    body = {"prompt": "one " * 900, "temperature": 0, "ignore_eos": True, "model": "tight"}
    last = (await context.client.post("/v1/completions", json=body)).json()
    assert last["choices"][0]["finish_reason"] == "length"
    return f"refused; generation to the end of the room gave {last['usage']['total_tokens']} tokens"
