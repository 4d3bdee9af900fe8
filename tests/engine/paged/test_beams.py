"""Beam search: GenAI's results, over blocks that are shared and copied when written."""

from __future__ import annotations

from typing import Any

import pytest

from ovapi.core import BeamSearch, Delta, Finished
from ovapi.engine.base import EngineSpec
from ovapi.engine.genai.loader import load_batching
from ovapi.engine.paged.pipeline import PagedPipeline
from soak.client.prompts import GREETING, LONG, UNSURE
from tests.engine.paged.conftest import load
from tests.engine.paged.stepping import Result, Stepper, request, run
from tests.engine.paged.test_pipeline import F32
from tests.support.driver import DEMO, TOKEN_BYTES

JOKE = "Tell me a joke."


@pytest.fixture(scope="module")
def exact() -> PagedPipeline:
    return load(properties=F32)


@pytest.fixture(scope="module")
def batcher() -> Any:
    return load_batching(EngineSpec("demo", DEMO, properties=F32))[0]


def texts(result: Result) -> list[str]:
    found: dict[int, str] = {}
    for event in result.events:
        if isinstance(event, Delta):
            found[event.index] = found.get(event.index, "") + event.text
    return [found[index] for index in sorted(found)]


@pytest.mark.parametrize("prompt", [JOKE, UNSURE, "Write a sentence about the sea."])
@pytest.mark.parametrize(
    "beams",
    [
        BeamSearch(2, 2),
        BeamSearch(4, 4),
        BeamSearch(4, 2, early_stopping=True),
        BeamSearch(4, 4, early_stopping="never", length_penalty=0.5),
        BeamSearch(3, 3, length_penalty=2.0),
        BeamSearch(4, 4, no_repeat_ngram_size=2),
    ],
    ids=str,
)
def test_results_are_those_of_genai(
    exact: PagedPipeline, batcher: Any, prompt: str, beams: BeamSearch
) -> None:
    (expected,) = run(batcher, [request(prompt, beams=beams, max_tokens=24)])
    (result,) = run(exact, [request(prompt, beams=beams, max_tokens=24)])
    assert texts(result) == texts(expected)
    assert exact.cache.used == 0


def test_diverse_groups_differ(exact: PagedPipeline) -> None:
    beams = BeamSearch(4, 4, groups=2, diversity_penalty=5.0, no_repeat_ngram_size=2)
    (result,) = run(exact, [request(JOKE, beams=beams, max_tokens=20)])
    assert len(set(texts(result))) == 4


def test_the_prompt_is_shared_and_the_rest_copied_when_written(exact: PagedPipeline) -> None:
    stepper = Stepper(exact)
    one = request(UNSURE, beams=BeamSearch(4, 1), max_tokens=60, ignore_eos=True)
    stepper.submit(one)
    (group,) = exact.scheduler.waiting
    while len(group.sequences) < 4 or len(group.sequences[0].tokens) < 70:
        stepper.step()
    blocks = [sequence.blocks for sequence in group.sequences]
    assert len({own[0] for own in blocks}) == 1  # whole, and of the prompt
    assert len({own[-1] for own in blocks}) > 1  # those of one parent part at the next token
    assert exact.cache.used == len({block for own in blocks for block in own})
    exact.cancel(one.id)
    assert exact.cache.used == 0
    stepper.finish()


def test_beams_beside_others_and_preempted(exact: PagedPipeline) -> None:
    """In a cache that is too small for all, the beams begin anew and come to the same."""
    small = load(properties=F32, cache_bytes=20 * 32 * 2 * TOKEN_BYTES)
    requests = [
        *(request(LONG, max_tokens=150) for _ in range(4)),
        request(UNSURE, beams=BeamSearch(4, 2), max_tokens=50, ignore_eos=True),
    ]
    expected, results = run(exact, requests), run(small, requests)
    assert small.scheduler.preemptions > 0
    assert [result.ids for result in results] == [result.ids for result in expected]
    assert texts(results[-1]) == texts(expected[-1])
    assert small.cache.used == 0


def test_every_result_has_its_end_and_echo(exact: PagedPipeline) -> None:
    one = request(GREETING, echo=True, beams=BeamSearch(3, 2), logprobs=True)
    (result,) = run(exact, [one])
    ends = [event for event in result.events if isinstance(event, Finished)]
    assert [event.index for event in ends] == [0, 1]
    assert ends[0].reason == "stop"
    for index in (0, 1):
        echo, answer = (delta for delta in result.deltas if delta.index == index)
        assert len(echo.logprobs) == ends[0].usage.prompt_tokens
        assert answer.logprobs
        assert not echo.token_ids
