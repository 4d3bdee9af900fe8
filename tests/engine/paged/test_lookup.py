"""Prompt lookup: what it proposes, and that it changes how fast answers come and nothing else."""

from __future__ import annotations

import pytest

from ovapi.config.engine_options import SpeculationConfig
from ovapi.engine.paged.drafting.lookup import PromptLookup
from ovapi.engine.paged.pipeline import PagedPipeline
from soak.client.prompts import LONG, SURE, UNSURE
from tests.engine.paged.conftest import load
from tests.engine.paged.stepping import Stepper, request, run
from tests.engine.paged.test_pipeline import F32, SAMPLED
from tests.support.driver import chat


def test_the_last_earlier_place_is_continued() -> None:
    lookup = PromptLookup(2, 3)
    assert lookup.propose([1, 2, 3, 4, 1, 2, 5, 6, 7, 1, 2], 9) == [5, 6, 7]


def test_a_new_ngram_has_no_draft_and_is_not_its_own_place() -> None:
    lookup = PromptLookup(2, 3)
    assert lookup.propose([1, 2, 3], 9) == []
    assert lookup.propose([1, 2, 3, 1], 9) == []
    assert lookup.propose([1, 2, 3, 1, 2], 9) == [3, 1, 2]


def test_a_text_shorter_than_the_ngram() -> None:
    assert PromptLookup(3, 5).propose([1], 9) == []


def test_drafts_keep_to_the_room() -> None:
    assert PromptLookup(1, 5).propose([1, 2, 3, 1], 2) == [2, 3]
    assert PromptLookup(1, 5).propose([1, 2, 3, 1], 0) == []


def test_drafts_shrink_where_they_are_wrong_and_grow_where_they_are_right() -> None:
    lookup = PromptLookup(1, 5)
    text = [1, 2, 3, 4, 5, 6, 7, 1]
    lookup.learn(0)
    assert len(lookup.propose(text, 9)) == 1
    lookup.learn(1)
    assert len(lookup.propose(text, 9)) == 3
    lookup.learn(3)
    assert len(lookup.propose(text, 9)) == 5


@pytest.fixture(scope="module")
def plain() -> PagedPipeline:
    return load(properties=F32)


@pytest.fixture(scope="module")
def speculative() -> PagedPipeline:
    return load(properties=F32, speculation=SpeculationConfig())


def test_greedy_answers_are_the_same_in_fewer_steps(
    plain: PagedPipeline, speculative: PagedPipeline
) -> None:
    prompts = [*SURE, LONG, "Tell me a story about a dragon."]
    expected = run(plain, [request(prompt) for prompt in prompts])
    assert [one.ids for one in run(speculative, [request(prompt) for prompt in prompts])] == [
        one.ids for one in expected
    ]
    story = "Tell me a story about a dragon."
    stepper = Stepper(speculative)
    result = stepper.submit(request(chat(story, expected[-1].text, story)))
    steps = 0
    while speculative.busy:
        stepper.step()
        steps += 1
    assert steps < 0.5 * len(result.ids)
    assert max(len(delta.token_ids) for delta in result.deltas) > 1


def test_sampled_answers_are_the_same_too(plain: PagedPipeline, speculative: PagedPipeline) -> None:
    """With penalties and log-probabilities, which go by the tokens before each one."""
    requests = [
        request(prompt, seed=seed, logprobs=True, top_logprobs=2, **SAMPLED)
        for seed in range(6)
        for prompt in (UNSURE, LONG)
    ]
    for one, other in zip(run(plain, requests), run(speculative, requests), strict=True):
        assert one.ids == other.ids
        assert one.text == other.text
        shown = [entry for delta in one.deltas for entry in delta.logprobs]
        again = [entry for delta in other.deltas for entry in delta.logprobs]
        assert [entry.token for entry in shown] == [entry.token for entry in again]
        values = [entry.logprob for entry in again]
        assert [entry.logprob for entry in shown] == pytest.approx(values, abs=1e-3)


def test_drafts_never_go_beyond_max_tokens(speculative: PagedPipeline) -> None:
    for tokens in range(20, 27):
        (result,) = run(speculative, [request(LONG, max_tokens=tokens)])
        assert len(result.ids) == tokens
        assert result.finished.usage.completion_tokens == tokens
