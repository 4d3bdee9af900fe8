"""The engine process is killed, crashed or stopped under its requests."""

from __future__ import annotations

import asyncio
import contextlib
import random
import signal
import time

import psutil

from soak.arena import Arena, check_error, only_demo
from soak.case import case
from tests.load import LONG_PROMPT
from tests.prompts import LONG, SURE, chat
from tests.talk import CHAT

STREAMS = 16
STALL_SECONDS = 2
RESTART_SECONDS = 60


async def _kill(arena: Arena, number: int = signal.SIGKILL) -> None:
    """Send a signal to the engine, once there is one."""
    deadline = time.monotonic() + RESTART_SECONDS
    while (engine := arena.engine()) is None:
        assert time.monotonic() < deadline, "no engine has come back"
        await asyncio.sleep(0.01)
    with contextlib.suppress(psutil.NoSuchProcess):
        engine.send_signal(number)
        if number != signal.SIGSTOP:
            await asyncio.to_thread(engine.wait, 10)


async def _ready(arena: Arena) -> None:
    await asyncio.to_thread(arena.server.wait_ready, seconds=RESTART_SECONDS)


@case(9, "SIGKILLs of the engine at random moments under 16 greedy streams")
async def kills(arena: Arena) -> str:
    dice = random.Random(9)
    over = asyncio.Event()
    restarts, replayed = await _restarts(arena)

    async def keep_asking(number: int) -> int:
        count = 0
        while not over.is_set():
            await arena.check_answer((*SURE, LONG)[(number + count) % 9])
            count += 1
        return count

    streams = [asyncio.create_task(keep_asking(number)) for number in range(STREAMS)]
    start = time.monotonic()
    for _ in range(arena.options.kills):
        await _ready(arena)
        await asyncio.sleep(dice.uniform(0, 1.5))
        await _kill(arena)
        assert not any(stream.done() for stream in streams), "a stream has failed"
    seconds = time.monotonic() - start
    over.set()
    answers = sum(await asyncio.gather(*streams))
    after, replayed_after = await _restarts(arena)
    assert after - restarts >= arena.options.kills
    return (
        f"{arena.options.kills} kills in {seconds:.0f} s: {answers} streams whole, each equal to "
        f"its reference; {replayed_after - replayed:.0f} were taken up again"
    )


async def _restarts(arena: Arena) -> tuple[float, float]:
    return (
        await arena.metric("ovapi_engine_restarts_total"),
        await arena.metric("ovapi_requests_replayed_total"),
    )


@case(9, "SIGSEGV of the engine in mid-stream")
async def crash(arena: Arena) -> str:
    asking = asyncio.create_task(arena.check_answers(STREAMS))
    await asyncio.sleep(0.2)
    start = time.monotonic()
    await _kill(arena, signal.SIGSEGV)
    await asking
    return f"{STREAMS} streams whole, {time.monotonic() - start:.1f} s after the crash"


@case(9, "A request that is there at two crashes", config=only_demo(max_batched_tokens=16))
async def suspect(arena: Arena) -> str:
    """Its prompt takes so long that it never gets a token; the neighbour does and goes on."""
    asking = asyncio.create_task(arena.client.post(CHAT, json=chat(LONG_PROMPT, max_tokens=5)))
    crashes = 0
    while not asking.done() and crashes < 6:
        await _ready(arena)
        await asyncio.sleep(0.4)
        if not asking.done():
            await _kill(arena)
            crashes += 1
    response = await asking
    check_error(response, 500)
    return f"500 after {crashes} crashes"


@case(10, "SIGSTOP of the engine", config=only_demo(stall_seconds=STALL_SECONDS))
async def stop(arena: Arena) -> str:
    asking = asyncio.create_task(arena.check_answers(STREAMS))
    await asyncio.sleep(0.2)
    start = time.monotonic()
    await _kill(arena, signal.SIGSTOP)
    await asking
    assert "silent for" in arena.server.log
    return (
        f"{STREAMS} streams whole, {time.monotonic() - start:.1f} s after the stop "
        f"(stall_seconds: {STALL_SECONDS})"
    )
