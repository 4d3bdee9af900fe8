"""Engine processes that die, stall or stumble: what their requests' clients see of it."""

from __future__ import annotations

import asyncio
import random
import signal
import subprocess
import sys
import time

import psutil
import pytest

from bench.server_process import ROOT
from ovapi.core import Accepted, Started
from soak.client.prompts import LONG, SURE, UNSURE
from tests.support.driver import Driver

KINDS = pytest.mark.parametrize("kind", ["batching", "paged"])


def process_of(driver: Driver) -> psutil.Process:
    return psutil.Process(driver.pid)


@KINDS
async def test_a_stream_goes_on_where_a_killed_engine_left_it(kind: str) -> None:
    driver = await Driver.started(kind)
    try:
        whole = await driver.ask(LONG)
        broken = await driver.submit(LONG).first_text()
        process = process_of(driver)
        process.send_signal(signal.SIGKILL)
        await broken.end()
        assert broken.text == whole.text
        assert broken.ids == whole.ids
        assert broken.finished.usage == whole.finished.usage
        for once in (Accepted, Started):
            assert sum(isinstance(event, once) for event in broken.events) == 1
        assert "restarting" in driver.states
        assert driver.engine.state.status == "ready"
    finally:
        await driver.close()
    assert not process.is_running()


async def test_requests_that_come_during_the_restart_wait_for_it() -> None:
    driver = await Driver.started("batching")
    try:
        process_of(driver).send_signal(signal.SIGKILL)
        await driver.wait_for(lambda: driver.engine.state.status == "restarting")
        assert (await driver.ask("Hello!")).text
    finally:
        await driver.close()


@KINDS
async def test_kills_at_random_moments_change_no_greedy_answer(kind: str) -> None:
    driver = await Driver.started(kind)
    dice = random.Random(1)
    try:
        alone = [await driver.ask(prompt) for prompt in SURE]
        for _ in range(4):
            answers = [driver.submit(prompt) for prompt in SURE * 2]
            longest = answers[SURE.index("Count to 30.")]
            tokens = dice.randrange(50)  # of its 81
            await longest.until(lambda: len(longest.ids) >= tokens)  # noqa: B023
            process_of(driver).send_signal(signal.SIGKILL)
            await driver.wait_for(lambda: driver.engine.state.status == "restarting")
            for answer, undisturbed in zip(await driver.all(answers), alone * 2, strict=True):
                assert (answer.text, answer.ids) == (undisturbed.text, undisturbed.ids)
            await driver.idle()
    finally:
        await driver.close()


async def test_kills_change_no_sampled_answer_that_has_a_seed() -> None:
    """Single precision, since prompts and single tokens are rounded differently in half of it."""
    sampling = {"temperature": 1.2, "top_p": 0.9, "max_tokens": 80, "ignore_eos": True}
    precision = {"INFERENCE_PRECISION_HINT": "f32", "KV_CACHE_PRECISION": "f32"}
    driver = await Driver.started("paged", properties=precision)
    dice = random.Random(2)
    try:
        alone = [await driver.ask(UNSURE, seed=seed, **sampling) for seed in range(8)]
        assert len({tuple(answer.ids) for answer in alone}) == 8
        for _ in range(4):
            answers = [driver.submit(UNSURE, seed=seed, **sampling) for seed in range(8)]
            tokens = dice.randrange(40)
            await answers[0].until(lambda: len(answers[0].ids) >= tokens)  # noqa: B023
            process_of(driver).send_signal(signal.SIGKILL)
            await driver.wait_for(lambda: driver.engine.state.status == "restarting")
            for answer, undisturbed in zip(await driver.all(answers), alone, strict=True):
                assert (answer.text, answer.ids) == (undisturbed.text, undisturbed.ids)
            await driver.idle()
    finally:
        await driver.close()


@KINDS
async def test_stop_strings_and_limits_hold_across_a_crash(kind: str) -> None:
    parameters = {"stop": ("95",), "max_tokens": 400, "min_tokens": 3}
    driver = await Driver.started(kind)
    try:
        whole = await driver.ask(LONG, **parameters)
        broken = await driver.submit(LONG, **parameters).first_text()
        process_of(driver).send_signal(signal.SIGKILL)
        await broken.end()
        assert whole.finished.stop == "95"
        assert (broken.text, broken.finished) == (whole.text, whole.finished)
    finally:
        await driver.close()


@KINDS
async def test_an_engine_that_stalls_is_replaced(kind: str) -> None:
    driver = await Driver.started(kind, stall_seconds=1.0)
    try:
        whole = await driver.ask(LONG)
        stalled = await driver.submit(LONG).first_text()
        process = process_of(driver)
        process.send_signal(signal.SIGSTOP)
        await stalled.end()
        assert stalled.text == whole.text
        assert not process.is_running()
    finally:
        await driver.close()


async def test_an_idle_engine_may_be_silent() -> None:
    driver = await Driver.started("batching", stall_seconds=0.5)
    try:
        process = process_of(driver)
        await asyncio.sleep(2)
        assert (await driver.ask("Hello!")).text
        assert process.is_running()
    finally:
        await driver.close()


async def test_an_engine_that_is_killed_at_work_is_replaced_at_once_every_time() -> None:
    driver = await Driver.started("batching")
    try:
        for _ in range(5):  # were each one taken for a failure, the last would wait for 1.6 s
            answer = driver.submit(LONG)
            await answer.until(lambda answer=answer: len(answer.ids) >= 20)  # type: ignore[misc]
            process_of(driver).send_signal(signal.SIGKILL)
            killed = time.time()
            await driver.wait_for(lambda: driver.engine.state.status == "restarting")
            await answer.end()
            assert process_of(driver).create_time() - killed < 1
    finally:
        await driver.close()


def test_an_interpreter_that_ends_without_closing_leaves_no_engine() -> None:
    """Whoever imports the engine may forget to close it; the kernel ends the child."""
    script = """
import asyncio
from pathlib import Path
from ovapi.engine.base import EngineSpec
from ovapi.engine.factory import make_engine
from concurrent.futures import ThreadPoolExecutor

async def main():
    post = asyncio.get_running_loop().call_soon_threadsafe
    spec = EngineSpec("demo", Path("models/ovapi-demo"), log_level="ERROR")
    engine = make_engine("batching", spec, ThreadPoolExecutor(), post)
    engine.start()
    while engine.state.status != "ready":
        await asyncio.sleep(0.01)
    print(engine.state.info.pid)

asyncio.run(main())
"""
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=20, check=True)
    pid = int(done.stdout)
    assert done.stderr == ""
    deadline = time.monotonic() + 5
    while psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < deadline, "the engine outlives its interpreter"
        time.sleep(0.01)
