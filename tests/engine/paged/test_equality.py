"""Greedy answers are GenAI's, alone, together and in a crowd that the cache cannot hold."""

from __future__ import annotations

import pytest

from ovapi.engine.paged.pipeline import PagedPipeline
from tests.engine.paged.equality import Contest, small


@pytest.fixture(scope="module")
def contest() -> Contest:
    return Contest(each=2)


def test_alone_and_together(contest: Contest, engine: PagedPipeline) -> None:
    assert len(contest.prompts) > 30
    assert contest.alone(engine) == []
    assert contest.together(engine) == []


def test_without_a_prefix_cache(contest: Contest, engine: PagedPipeline) -> None:
    engine.cache.forget()
    engine.cache.enabled = False
    assert contest.together(engine) == []
    assert engine.cache.hits < engine.cache.queries
    engine.cache.enabled = True


def test_in_a_crowd(contest: Contest) -> None:
    crowded = small()
    assert contest.crowded(crowded) == []
    assert crowded.scheduler.preemptions > 0
    assert crowded.cache.used == 0
