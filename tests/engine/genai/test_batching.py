"""What engines do that run requests together: a process of their own, log-probabilities, beams."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import psutil
import pytest

from ovapi.core import BeamSearch, Started, TextPrompt, TokenPrompt
from ovapi.engine.base import EngineSpec
from ovapi.errors import ContextLengthExceeded, UnsupportedParameter
from soak.client.prompts import GREETING, LASTING, LONG, SURE
from tests.support.driver import DEMO, TOKEN_BYTES, Answer, Driver, chat


def engine_processes() -> list[psutil.Process]:
    """The engine processes that this one has started."""
    found = []
    for child in psutil.Process().children(recursive=True):
        try:
            if "ovapi.engine.process.worker" in child.cmdline():
                found.append(child)
        except psutil.NoSuchProcess:
            continue
    return found


KINDS = pytest.mark.parametrize("kind", ["batching", "paged"])


async def test_many_at_once_equal_each_alone(concurrent: Driver) -> None:
    alone = {prompt: (await concurrent.ask(prompt)).text for prompt in SURE}
    prompts = SURE * 4
    answers = await concurrent.all([concurrent.submit(prompt) for prompt in prompts])
    assert [answer.text for answer in answers] == [alone[prompt] for prompt in prompts]


async def test_requests_join_while_others_run(concurrent: Driver) -> None:
    long = await concurrent.submit(LONG, **LASTING).first_text()
    await concurrent.ask(GREETING)
    assert not long.ended
    assert (await long.end()).text.startswith("1, 2, 3")


def start_of(answer: Answer) -> float:
    (event,) = (event for event in answer.events if isinstance(event, Started))
    return event.at


@KINDS
async def test_each_prompt_starts_when_the_steps_have_room_for_it(kind: str) -> None:
    """Three prompts of three steps each: none starts while the one before still fills the steps."""
    driver = await Driver.started(kind, max_batched_tokens=100, max_slowdown=1000)
    try:
        prompts = [TokenPrompt(tuple(range(first, first + 300))) for first in (5, 6, 7)]
        answers = [driver.submit(prompt, max_tokens=20, ignore_eos=True) for prompt in prompts]
        first, second, third = [start_of(one) for one in await driver.all(answers)]
        assert first < second < third
    finally:
        await driver.close()


async def test_what_waits_for_its_turn_starts_after_what_runs() -> None:
    driver = await Driver.started("batching", max_running=1)
    try:
        ahead, behind = await driver.all([driver.submit(GREETING), driver.submit(GREETING)])
        assert start_of(behind) > start_of(ahead)
    finally:
        await driver.close()


async def test_logprobs_of_chosen_tokens(concurrent: Driver) -> None:
    answer = await concurrent.ask(GREETING, logprobs=True)
    shown = [logprob for delta in answer.deltas for logprob in delta.logprobs]
    *text, end = shown
    assert b"".join(logprob.bytes for logprob in text).decode() == answer.text
    assert end.token == "<|im_end|>"
    assert len(shown) == len(answer.ids) == answer.finished.usage.completion_tokens
    assert all(logprob.logprob is not None and logprob.logprob <= 0 for logprob in shown)
    assert not any(delta.logprobs for delta in (await concurrent.ask(GREETING)).deltas)


@pytest.mark.parametrize(
    "limits", [{"max_tokens": 1}, {"max_tokens": 20}, {"stop": (" ",)}, {"stop_token_ids": (2,)}]
)
async def test_every_token_that_counts_has_its_logprob(
    concurrent: Driver, limits: dict[str, Any]
) -> None:
    prompt = await concurrent.engine.tokenize(chat(GREETING))
    answered = (*prompt, *(await concurrent.ask(GREETING)).ids[:-1])  # next is the end of the turn
    for ids in (prompt, answered):
        answer = await concurrent.ask(TokenPrompt(ids), logprobs=True, **limits)
        shown = sum(len(delta.logprobs) for delta in answer.deltas)
        assert shown == answer.finished.usage.completion_tokens


@pytest.mark.parametrize("max_tokens", [0, 3])
async def test_logprobs_of_a_prompt_are_refused(batching: Driver, max_tokens: int) -> None:
    """The pipeline does not tell those of tokens that it has in its prefix cache."""
    for _ in range(2):
        answer = await batching.ask(
            TextPrompt("1, 2"), echo=True, logprobs=True, max_tokens=max_tokens
        )
        assert isinstance(answer.error, UnsupportedParameter)
        assert answer.error.param == "logprobs"
    echoed = await batching.ask(TextPrompt("1, 2"), echo=True, max_tokens=max_tokens)
    assert echoed.text.startswith("1, 2")


async def test_beam_search_gives_its_best_whole(concurrent: Driver) -> None:
    answer = await concurrent.ask("Tell me a joke.", beams=BeamSearch(4, results=2))
    assert len(answer.deltas) == 2
    assert answer.text_of(0) == (await concurrent.ask("Tell me a joke.")).text
    assert answer.text_of(1) not in ("", answer.text_of(0))
    await concurrent.idle()


async def test_beam_search_cuts_stop_strings(concurrent: Driver) -> None:
    answer = await concurrent.ask("Count to 12.", beams=BeamSearch(2), stop=("5",))
    assert answer.text == "1, 2, 3, 4, "
    assert answer.finished.stop == "5"


async def test_diverse_beams_and_ngrams(concurrent: Driver) -> None:
    beams = BeamSearch(4, 4, groups=2, diversity_penalty=5.0, no_repeat_ngram_size=2)
    answer = await concurrent.ask("Tell me a joke.", beams=beams, max_tokens=20)
    assert len({answer.text_of(index) for index in range(4)}) == 4


def test_openvino_stays_in_the_child() -> None:
    """In a fresh interpreter, since other tests import it here."""
    code = (
        "import asyncio, sys\n"
        "from tests.support.driver import Driver\n"
        "async def main():\n"
        "    driver = await Driver.started('batching')\n"
        "    assert (await driver.ask('Hello!')).text\n"
        "    await driver.close()\n"
        "asyncio.run(main())\n"
        "print([name for name in sys.modules if name.startswith('openvino')])\n"
    )
    root = DEMO.parents[1]
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


def engine_processes_of(driver: Driver) -> list[psutil.Process]:
    return [process for process in engine_processes() if process.pid == driver.pid]


async def test_close_leaves_no_child_and_ends_requests() -> None:
    before = len(engine_processes())
    driver = await Driver.started("batching")
    live = await driver.submit(LONG, **LASTING).first_text()
    await driver.close()
    assert live.error.status == 503
    assert len(engine_processes()) == before


async def test_close_while_loading() -> None:
    before = len(engine_processes())
    driver = Driver("batching")
    driver.engine.start()
    await driver.close()
    assert len(engine_processes()) == before


async def test_the_child_ignores_the_terminal(concurrent: Driver) -> None:
    (process,) = engine_processes_of(concurrent)
    for number in (signal.SIGINT, signal.SIGTERM):
        os.kill(process.pid, number)
    assert (await concurrent.ask(GREETING)).text


def test_the_child_dies_with_a_killed_parent() -> None:
    code = (
        "import asyncio, os\n"
        "from tests.support.driver import Driver\n"
        "async def main():\n"
        "    driver = await Driver.started('batching')\n"
        "    driver.submit('Count to 100.', ignore_eos=True, max_tokens=3000)\n"
        "    print(driver.pid, flush=True)\n"
        "    os.kill(os.getpid(), 9)\n"
        "asyncio.run(main())\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=DEMO.parents[1], stdout=subprocess.PIPE, check=False
    )
    child = int(done.stdout)
    psutil.wait_procs([psutil.Process(child)] if psutil.pid_exists(child) else [], timeout=2)
    assert not psutil.pid_exists(child) or psutil.Process(child).status() == "zombie"


@KINDS
async def test_a_small_cache_refuses_what_it_cannot_hold(kind: str) -> None:
    driver = await Driver.started(kind, cache_bytes=512 * TOKEN_BYTES)
    try:
        info = driver.engine.state.info
        assert info is not None
        assert info.cache_tokens == 512
        refused = await driver.ask(TokenPrompt((300,) * 600))
        assert isinstance(refused.error, ContextLengthExceeded)
        assert "cache holds 512 tokens" in str(refused.error)
        beams = await driver.ask(
            GREETING, beams=BeamSearch(8), max_tokens=400, max_tokens_explicit=True
        )
        assert isinstance(beams.error, ContextLengthExceeded)
        crowd = [
            driver.submit(chat(f"Count to {n}."), ignore_eos=True, max_tokens=200)
            for n in range(30, 38)
        ]
        await driver.all(crowd)
        assert {answer.finished.usage.completion_tokens for answer in crowd} == {200}
        full = await driver.ask(TokenPrompt((301,) * 500), max_tokens=None, ignore_eos=True)
        assert full.finished.usage.completion_tokens == 13
    finally:
        await driver.close()


@KINDS
async def test_more_requests_than_may_run_take_turns(kind: str) -> None:
    driver = await Driver.started(kind, max_running=2)
    try:
        answers = [driver.submit("Count to 12.") for _ in range(6)]
        most = 0
        while not all(answer.ended for answer in answers):
            most = max(most, driver.engine.stats.running)
            await asyncio.sleep(0.002)
        assert most <= 2
        assert {answer.text for answer in answers} == {"1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12"}
    finally:
        await driver.close()


def test_the_spec_must_be_picklable() -> None:
    import pickle

    spec = EngineSpec("demo", Path("/x"), properties={"A": 1})
    assert pickle.loads(pickle.dumps(spec)) == spec
