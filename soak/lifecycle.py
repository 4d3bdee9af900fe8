"""Signals to the server, and prefill that lasts."""

from __future__ import annotations

import asyncio
import signal
import time

import psutil

from soak.case import case
from soak.client.bodies import CHAT
from soak.client.prompts import GREETING, LONG, LONG_PROMPT, SURE, chat
from soak.client.streams import deltas, text_of
from soak.context import SoakContext, SoakSettings

STREAMS = 16


async def _begun(context: SoakContext, prompt: str) -> tuple[asyncio.Task[str], asyncio.Event]:
    first = asyncio.Event()

    async def whole() -> str:
        text = ""
        async for part in deltas(context.client, chat(prompt)):
            text += part
            first.set()
        return text

    return asyncio.create_task(whole()), first


@case(7, "SIGTERM under load", alone=True)
async def sigterm(settings: SoakSettings) -> str:
    async with settings.start() as context:
        begun = [await _begun(context, SURE[n % len(SURE)]) for n in range(STREAMS)]
        await asyncio.gather(*(first.wait() for _, first in begun[:1]))
        late = asyncio.create_task(text_of(context.client, chat(LONG)))
        await asyncio.sleep(0.05)
        children = context.server.children()
        start = time.monotonic()
        context.server.process.send_signal(signal.SIGTERM)
        await asyncio.sleep(0.1)
        assert (await context.client.get("/ready")).status_code == 503
        assert (await context.client.post(CHAT, json=chat(GREETING))).status_code == 503
        texts = [await task for task, _ in begun]
        assert await late == context.references[LONG]
        status = await asyncio.to_thread(context.server.process.wait, 30)
        seconds = time.monotonic() - start
    for n, text in enumerate(texts):
        assert text == settings.references[SURE[n % len(SURE)]]
    assert status == 0
    assert not any(child.is_running() for child in children)
    return f"{STREAMS + 1} streams ended whole, exit 0 after {seconds:.1f} s"


@case(7, "A second SIGTERM", alone=True)
async def second_sigterm(settings: SoakSettings) -> str:
    async with settings.start() as context:
        body = chat(LONG, max_tokens=3000, temperature=1, ignore_eos=True)
        posts = [asyncio.create_task(context.client.post(CHAT, json=body)) for _ in range(STREAMS)]
        await asyncio.sleep(0.5)
        context.server.process.send_signal(signal.SIGTERM)
        await asyncio.sleep(0.3)
        assert context.server.process.poll() is None
        start = time.monotonic()
        context.server.process.send_signal(signal.SIGTERM)
        status = await asyncio.to_thread(context.server.process.wait, 10)
        seconds = time.monotonic() - start
        await asyncio.gather(*posts, return_exceptions=True)
    assert status == 0
    return f"exit 0 after {seconds:.1f} s"


@case(8, "SIGKILL of the server", alone=True)
async def sigkill(settings: SoakSettings) -> str:
    async with settings.start() as context:
        children = context.server.children()
        body = chat(LONG, max_tokens=3000, temperature=1)
        posts = [asyncio.create_task(context.client.post(CHAT, json=body)) for _ in range(STREAMS)]
        await asyncio.sleep(0.5)
        start = time.monotonic()
        context.server.process.kill()
        while not all(map(_gone, children)):
            assert time.monotonic() - start < 10, "an engine outlives its server"
            await asyncio.sleep(0.01)
        seconds = time.monotonic() - start
        await asyncio.gather(*posts, return_exceptions=True)
    assert children
    return f"its engine was gone {1000 * seconds:.0f} ms later"


def _gone(process: psutil.Process) -> bool:
    """A zombie has gone too: where nobody reaps orphans, it stays for ever."""
    try:
        return bool(process.status() == psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return True


@case(11, "Prefill of many thousand tokens")
async def long_prefill(context: SoakContext) -> str:
    prompts = [f"{n} {LONG_PROMPT}" for n in range(8)]
    start = time.monotonic()
    bodies = [chat(text, max_tokens=1) for text in prompts]
    answers = await asyncio.gather(*(context.client.post(CHAT, json=body) for body in bodies))
    seconds = time.monotonic() - start
    assert all(answer.status_code == 200 for answer in answers)
    tokens = sum(answer.json()["usage"]["prompt_tokens"] for answer in answers)
    return f"{tokens} tokens in {seconds:.1f} s"


@case(11, "SIGTERM during prefill", alone=True)
async def sigterm_in_prefill(settings: SoakSettings) -> str:
    async with settings.start({"server": {"drain_seconds": 1}}) as context:
        bodies = [chat(f"{n} {LONG_PROMPT}", max_tokens=500) for n in range(16)]
        posts = [asyncio.create_task(context.client.post(CHAT, json=body)) for body in bodies]
        await asyncio.sleep(0.3)
        start = time.monotonic()
        context.server.process.send_signal(signal.SIGTERM)
        while (await context.client.get("/ready")).status_code != 503:
            assert time.monotonic() - start < 1, "still ready after a second"
        unready = time.monotonic() - start
        status = await asyncio.to_thread(context.server.process.wait, 10)
        seconds = time.monotonic() - start
        await asyncio.gather(*posts, return_exceptions=True)
    assert status == 0
    return f"not ready after {1000 * unready:.0f} ms, exit 0 after {seconds:.1f} s of a 1 s drain"
