"""Engine processes that die, stall or stumble: what their requests' clients see of it."""

from __future__ import annotations

import asyncio
import random
import signal
import time

import psutil

from ovapi.core import Accepted, Started
from tests.engine.driver import Driver
from tests.prompts import SURE


def process_of(driver: Driver) -> psutil.Process:
    return psutil.Process(driver.engine._child.pid)  # type: ignore[attr-defined]


async def test_a_stream_goes_on_where_a_killed_engine_left_it() -> None:
    driver = await Driver.started("batching")
    try:
        whole = await driver.ask("Count to 30.")
        broken = await driver.submit("Count to 30.").first_text()
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


async def test_kills_at_random_moments_change_no_greedy_answer() -> None:
    driver = await Driver.started("batching")
    dice = random.Random(1)
    try:
        alone = [(await driver.ask(prompt)).text for prompt in SURE]
        for _ in range(4):
            answers = [driver.submit(prompt) for prompt in SURE * 2]
            await asyncio.sleep(dice.uniform(0.005, 0.15))
            process_of(driver).send_signal(signal.SIGKILL)
            assert [answer.text for answer in await driver.all(answers)] == alone * 2
            await driver.idle()
    finally:
        await driver.close()


async def test_stop_strings_and_limits_hold_across_a_crash() -> None:
    parameters = {"stop": ("27",), "max_tokens": 200, "min_tokens": 3}
    driver = await Driver.started("batching")
    try:
        whole = await driver.ask("Count to 30.", **parameters)
        broken = await driver.submit("Count to 30.", **parameters).first_text()
        process_of(driver).send_signal(signal.SIGKILL)
        await broken.end()
        assert whole.finished.stop == "27"
        assert (broken.text, broken.finished) == (whole.text, whole.finished)
    finally:
        await driver.close()


async def test_an_engine_that_stalls_is_replaced() -> None:
    driver = await Driver.started("batching", stall_seconds=1.0)
    try:
        whole = await driver.ask("Count to 30.")
        stalled = await driver.submit("Count to 30.").first_text()
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
            answer = driver.submit("Count to 30.")
            await answer.until(lambda answer=answer: len(answer.ids) >= 20)  # type: ignore[misc]
            process_of(driver).send_signal(signal.SIGKILL)
            killed = time.time()
            await driver.wait_for(lambda: driver.engine.state.status == "restarting")
            await answer.end()
            assert process_of(driver).create_time() - killed < 1
    finally:
        await driver.close()
