"""The engine process is killed, crashed or stopped under its requests."""

from __future__ import annotations

import asyncio
import contextlib
import random
import signal
import time

import psutil

from soak.case import case
from soak.client.bodies import CHAT
from soak.client.prompts import LONG, LONG_PROMPT, SURE, chat
from soak.client.streams import deltas
from soak.context import SoakContext, check_error, only_demo

STREAMS = 16
STALL_SECONDS = 2
RESTART_SECONDS = 120


async def _kill(context: SoakContext, number: int = signal.SIGKILL) -> None:
    """Send a signal to the engine, once there is one."""
    deadline = time.monotonic() + RESTART_SECONDS
    while (engine := context.engine()) is None:
        assert time.monotonic() < deadline, "no engine has come back"
        await asyncio.sleep(0.01)
    with contextlib.suppress(psutil.NoSuchProcess):
        engine.send_signal(number)
        if number != signal.SIGSTOP:
            await asyncio.to_thread(engine.wait, 10)


async def _ready(context: SoakContext) -> None:
    await asyncio.to_thread(context.server.wait_ready, seconds=RESTART_SECONDS)


@case(9, "SIGKILLs of the engine at random moments under 16 greedy streams")
async def kills(context: SoakContext) -> str:
    """Each comes once all streams have gone on after the one before: see the next case but one."""
    dice = random.Random(9)
    restarts, replayed = await _restarts(context)
    streams = Streams(context)
    start = time.monotonic()
    for _ in range(context.options.kills):
        await streams.all_move()
        await asyncio.sleep(dice.uniform(0, 1))
        await _kill(context)
    answers = await streams.end()
    seconds = time.monotonic() - start
    after, replayed_after = await _restarts(context)
    assert after - restarts >= context.options.kills
    return (
        f"{context.options.kills} kills in {seconds:.0f} s: {answers} streams whole, each equal to "
        f"its reference; {replayed_after - replayed:.0f} were taken up again"
    )


class Streams:
    """So many at a time, one after the other, each checked against its reference."""

    def __init__(self, context: SoakContext) -> None:
        self._arena = context
        self._moved: set[int] = set()
        self._over = False
        self._tasks = [asyncio.create_task(self._keep_asking(one)) for one in range(STREAMS)]

    async def all_move(self) -> None:
        """Return once each has got something since the call."""
        self._moved.clear()
        deadline = time.monotonic() + RESTART_SECONDS
        while len(self._moved) < STREAMS:
            for task in self._tasks:
                if task.done():
                    task.result()
            assert time.monotonic() < deadline, f"{STREAMS - len(self._moved)} streams stand still"
            await asyncio.sleep(0.01)

    async def end(self) -> int:
        """How many answers there were, once the last ones are whole."""
        self._over = True
        return sum(await asyncio.gather(*self._tasks))

    async def _keep_asking(self, number: int) -> int:
        prompts = (*SURE, LONG)
        count = 0
        while not self._over:
            await self._ask(number, prompts[(number + count) % len(prompts)])
            count += 1
        return count

    async def _ask(self, number: int, prompt: str) -> None:
        text = ""
        async for part in deltas(self._arena.client, chat(prompt)):
            text += part
            self._moved.add(number)
        assert text == self._arena.references[prompt], f"{prompt!r} was answered with {text!r}"


async def _restarts(context: SoakContext) -> tuple[float, float]:
    return (
        await context.metric("ovapi_engine_restarts_total"),
        await context.metric("ovapi_requests_replayed_total"),
    )


@case(9, "SIGSEGV of the engine in mid-stream")
async def crash(context: SoakContext) -> str:
    asking = asyncio.create_task(context.check_answers(STREAMS, [LONG]))
    await asyncio.sleep(0.2)
    start = time.monotonic()
    await _kill(context, signal.SIGSEGV)
    await asking
    return f"{STREAMS} streams whole, {time.monotonic() - start:.1f} s after the crash"


@case(9, "A request that is there at two crashes", config=only_demo(max_batched_tokens=16))
async def suspect(context: SoakContext) -> str:
    """Its prompt takes so long that it never gets a token."""
    asking = asyncio.create_task(context.client.post(CHAT, json=chat(LONG_PROMPT, max_tokens=5)))
    crashes = 0
    while not asking.done() and crashes < 6:
        await _ready(context)
        await asyncio.sleep(0.4)
        if not asking.done():
            await _kill(context, signal.SIGSEGV)
            crashes += 1
    response = await asking
    check_error(response, 500)
    return f"500 after {crashes} crashes"


@case(10, "SIGSTOP of the engine", config=only_demo(stall_seconds=STALL_SECONDS))
async def stop(context: SoakContext) -> str:
    asking = asyncio.create_task(context.check_answers(STREAMS, [LONG]))
    await asyncio.sleep(0.2)
    start = time.monotonic()
    await _kill(context, signal.SIGSTOP)
    await asking
    assert "silent for" in context.server.log
    return (
        f"{STREAMS} streams whole, {time.monotonic() - start:.1f} s after the stop "
        f"(stall_seconds: {STALL_SECONDS})"
    )
