"""Tokens that the built-in model samples have the distribution of plain inference's logits."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from ovapi.engine.paged.pipeline import PagedPipeline
from ovapi.engine.paged.sampling.draw import Filters
from soak.client.prompts import UNSURE
from tests.engine.paged.stepping import request, run
from tests.engine.paged.test_draw import chi_squared, exact, limit
from tests.engine.paged.test_pipeline import exact_engine, plain, plain_logprobs
from tests.support.driver import chat

__all__ = ["exact_engine", "plain"]  # fixtures

SAMPLES = 2000


@pytest.mark.parametrize(
    "filters",
    [
        Filters(2.0),
        Filters(2.0, top_k=4),
        Filters(3.0, top_p=0.8),
        Filters(3.0, min_p=0.1),
        Filters(4.0, top_k=40, top_p=0.95, min_p=0.01),
    ],
    ids=str,
)
def test_first_tokens(exact_engine: PagedPipeline, plain: Any, filters: Filters) -> None:
    prompt = exact_engine.input_processor.encode(chat(UNSURE))
    logits = plain_logprobs(plain, prompt)[-1].astype(np.float32)
    parameters = {
        "temperature": filters.temperature,
        "top_k": filters.top_k,
        "top_p": filters.top_p,
        "min_p": filters.min_p,
    }
    requests = [request(UNSURE, seed=seed, max_tokens=1, **parameters) for seed in range(SAMPLES)]
    tokens = [result.ids[0] for result in run(exact_engine, requests)]
    counts = np.bincount(tokens, minlength=len(logits))
    expected = exact(logits, filters)
    assert not counts[expected == 0].any()
    statistic, freedom = chi_squared(counts, expected)
    assert freedom > 0
    assert statistic <= limit(freedom)
