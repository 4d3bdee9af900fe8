"""A draft model changes how fast answers come and nothing else; its cache follows the model's."""

from __future__ import annotations

import pytest

from ovapi.config.engine_options import SpeculationConfig
from ovapi.engine.paged.pipeline import PagedPipeline
from soak.client.prompts import GREETING, LONG, SURE, UNSURE
from tests.engine.paged.conftest import load
from tests.engine.paged.stepping import Stepper, request, run
from tests.engine.paged.test_pipeline import F32, SAMPLED
from tests.support.driver import DEMO, TOKEN_BYTES

DRAFT = SpeculationConfig(draft=DEMO, tokens=4, properties=F32)


@pytest.fixture(scope="module")
def plain() -> PagedPipeline:
    return load(properties=F32)


@pytest.fixture(scope="module")
def drafted() -> PagedPipeline:
    """The model is its own draft model, so that every draft token is right if it is greedy."""
    return load(properties=F32, speculation=DRAFT)


def test_right_drafts_are_all_accepted(plain: PagedPipeline, drafted: PagedPipeline) -> None:
    for _ in range(2):  # the second time from the prefix cache of both
        stepper = Stepper(drafted)
        result = stepper.submit(request(LONG, max_tokens=101))
        sizes = []
        while drafted.busy:
            stepper.step()
        sizes = [len(delta.token_ids) for delta in result.deltas]
        assert result.ids == run(plain, [request(LONG, max_tokens=101)])[0].ids
        assert sizes == [1] + [5] * 20


def test_greedy_and_sampled_answers_are_the_same(
    plain: PagedPipeline, drafted: PagedPipeline
) -> None:
    requests = [request(prompt) for prompt in SURE]
    requests += [request(UNSURE, seed=seed, **SAMPLED) for seed in range(6)]
    expected = [result.ids for result in run(plain, requests)]
    assert [result.ids for result in run(drafted, requests)] == expected
    assert [run(drafted, [one])[0].ids for one in requests] == expected


def test_a_small_cache_with_preemptions(plain: PagedPipeline) -> None:
    """Drafts take blocks that are free, and never those of others."""
    size = 2 * 2 * 18 * 32 * TOKEN_BYTES  # of two caches, four bytes a value
    small = load(properties=F32, speculation=DRAFT, cache_bytes=size)
    requests = [request(LONG, max_tokens=200) for _ in range(6)]
    expected = [result.ids for result in run(plain, requests)]
    assert [result.ids for result in run(small, requests)] == expected
    assert small.scheduler.preemptions > 0
    assert small.cache.used == 0


def test_the_last_token_has_no_drafts(drafted: PagedPipeline) -> None:
    for tokens in (1, 2, 3):
        (result,) = run(drafted, [request(GREETING, max_tokens=tokens)])
        assert len(result.ids) == tokens
