"""Tokenizing beside streams, and across the death of the process that does it."""

from __future__ import annotations

import asyncio
import json
import shutil
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from ovapi.core import ChatPrompt, Message, TextPrompt
from ovapi.errors import ContextLengthExceeded, DeadlineExceeded
from soak.client.prompts import LONG
from tests.engine.process.test_supervision import process_of
from tests.support.driver import DEMO, Driver, chat

TEXT = TextPrompt("The old bridge stands near the red house. " * 900)
CALLERS = 8
LOOP = "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}"
"""What no time limit waits for: it only shows beside what else goes on."""


@contextmanager
def stopped(driver: Driver) -> Iterator[None]:
    process = process_of(driver)
    process.send_signal(signal.SIGSTOP)
    yield
    process.send_signal(signal.SIGCONT)


async def stream_seconds(driver: Driver) -> float:
    answer = await driver.submit(LONG, ignore_eos=True, max_tokens=400).first_text()
    start = time.monotonic()
    await answer.end()
    return time.monotonic() - start


async def test_callers_in_a_loop_do_not_stop_a_stream(batching: Driver) -> None:
    """Were they obeyed before each step, a stream would hardly ever get one."""
    alone = await stream_seconds(batching)
    over = False

    async def ask() -> int:
        count = 0
        while not over:
            await batching.engine.tokenize(TEXT)
            count += 1
        return count

    tasks = [asyncio.create_task(ask()) for _ in range(CALLERS)]
    beside = await stream_seconds(batching)
    over = True
    assert min(await asyncio.gather(*tasks)) > 0
    assert beside < 6 * alone + 1


async def test_callers_take_turns(batching: Driver) -> None:
    """One who asks for very much at once does not keep another waiting."""
    many = [
        asyncio.create_task(batching.engine.tokenize(TEXT, caller="greedy")) for _ in range(300)
    ]
    await asyncio.sleep(0)
    await batching.engine.tokenize(TextPrompt("Hello"), caller="modest")
    assert sum(task.done() for task in many) < 150
    assert len({await task for task in many}) == 1


async def test_it_survives_the_engine(batching: Driver) -> None:
    expected = await batching.engine.tokenize(TEXT)
    text = await batching.engine.detokenize(expected)
    with stopped(batching):
        asked = asyncio.gather(batching.engine.tokenize(TEXT), batching.engine.detokenize(expected))
        await asyncio.sleep(0.05)
        process_of(batching).kill()
    assert await asked == [expected, text]


async def test_who_asks_during_the_restart_waits_for_it(batching: Driver) -> None:
    expected = await batching.engine.tokenize(TEXT)
    process_of(batching).kill()
    await batching.wait_for(lambda: batching.engine.state.status == "restarting")
    assert await batching.engine.tokenize(TEXT) == expected


async def test_an_idle_engine_that_does_not_answer_is_replaced() -> None:
    driver = await Driver.started("batching", stall_seconds=1.0)
    try:
        process = process_of(driver)
        process.send_signal(signal.SIGSTOP)
        assert await driver.engine.tokenize(TextPrompt("Hello"))
        assert not process.is_running()
    finally:
        await driver.close()


async def test_it_has_a_deadline(driver: Driver) -> None:
    if driver.engine.kind != "simple":
        now = asyncio.get_running_loop().time()
        with stopped(driver), pytest.raises(DeadlineExceeded):
            await driver.engine.tokenize(TEXT, deadline=now + 0.1)
    assert await driver.engine.tokenize(TextPrompt("Hello"))


async def test_what_nobody_waits_for_is_dropped(batching: Driver) -> None:
    """Else these would keep the next one waiting as long as ten times the first ones took."""
    start = time.monotonic()
    await asyncio.gather(*(batching.engine.tokenize(TEXT) for _ in range(200)))
    first = time.monotonic() - start
    with stopped(batching):
        many = [asyncio.create_task(batching.engine.tokenize(TEXT)) for _ in range(2000)]
        await asyncio.sleep(0.1)
        for task in many:
            task.cancel()
        await asyncio.gather(*many, return_exceptions=True)
    start = time.monotonic()
    await batching.engine.tokenize(TextPrompt("Hello"))
    assert time.monotonic() - start < max(1, 5 * first)
    assert not batching.engine.pending  # type: ignore[attr-defined]


async def test_text_that_cannot_fit_is_refused_before_it_is_sent(batching: Driver) -> None:
    huge = TextPrompt("x" * 20_000_000)
    with stopped(batching):  # the process could not say so
        with pytest.raises(ContextLengthExceeded):
            await batching.engine.tokenize(huge)
        for prompt in (huge, chat(huge.text)):
            assert isinstance((await batching.ask(prompt)).error, ContextLengthExceeded)


@pytest.fixture
def looping(tmp_path: Path) -> Path:
    """A model whose template does not end if the first message begins with "loop"."""
    folder = tmp_path / "model"
    shutil.copytree(DEMO, folder)
    config = json.loads((folder / "tokenizer_config.json").read_text())
    (folder / "chat_template.jinja").unlink(missing_ok=True)
    begin = "{% if messages[0].content.startswith('loop') %}" + LOOP + "{% endif %}"
    config["chat_template"] = begin + config["chat_template"]
    (folder / "tokenizer_config.json").write_text(json.dumps(config))
    return folder


async def test_a_template_that_does_not_end_stops_neither_streams_nor_newcomers(
    looping: Path,
) -> None:
    driver = await Driver.started("batching", looping)
    try:
        running = await driver.submit(LONG, ignore_eos=True, max_tokens=1500).first_text()
        endless = driver.submit(ChatPrompt((Message("user", "loop"),)))
        await asyncio.sleep(0.05)
        tokens, start = len(running.ids), time.monotonic()
        assert (await driver.ask("Hello!")).text
        assert not endless.ended
        assert time.monotonic() - start < 1.5
        assert len(running.ids) > tokens + 20
        endless.cancel()
        running.cancel()
    finally:
        await driver.close()
