"""Drawing tokens: the frequencies are those of the exact distribution, for each filter."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from ovapi.engine.paged.sampling.draw import Filters, draw
from ovapi.engine.paged.sampling.logprobs import likeliest, row_logprobs
from ovapi.engine.paged.sampling.randomness import uniform

DRAWS = 20_000
SIZE = 9000  # many chunks, the last one cut


def exact(logits: NDArray[np.float32], filters: Filters) -> NDArray[np.float64]:
    """The distribution by its definition: sort, keep what each filter keeps, normalize."""
    values = logits.astype(np.float64) / filters.temperature
    weights = np.exp(values - values.max())
    weights /= weights.sum()
    order = np.lexsort((np.arange(len(weights)), -weights))
    ordered = weights[order]
    before = np.concatenate([[0.0], ordered.cumsum()[:-1]])
    keep = (before < filters.top_p) & (ordered >= filters.min_p * ordered[0])
    if filters.top_k:
        keep &= np.arange(len(order)) < filters.top_k
    keep[0] = True
    kept = np.zeros_like(weights)
    kept[order[keep]] = weights[order[keep]]
    return kept / kept.sum()


def chi_squared(counts: NDArray[np.int64], expected: NDArray[np.float64]) -> tuple[float, int]:
    """The statistic and its degrees of freedom; rare tokens are taken together."""
    total = counts.sum()
    common = expected * total >= 10
    seen = np.append(counts[common], counts[~common].sum()).astype(np.float64)
    due = np.append(expected[common], expected[~common].sum()) * total
    if due[-1] < 10:
        seen[-2], due[-2] = seen[-2] + seen[-1], due[-2] + due[-1]
        seen, due = seen[:-1], due[:-1]
    return float(((seen - due) ** 2 / due).sum()), len(due) - 1


def limit(freedom: int) -> float:
    """Of chi-squared, which chance passes about once in 30,000 times (Wilson and Hilferty)."""
    return freedom * (1 - 2 / (9 * freedom) + 4.0 * (2 / (9 * freedom)) ** 0.5) ** 3 + 1e-9


def check(logits: NDArray[np.float32], filters: Filters) -> None:
    counts = np.zeros(len(logits), np.int64)
    for position in range(DRAWS):
        counts[draw(logits, filters, partial(uniform, 7, position))] += 1
    expected = exact(logits, filters)
    assert not counts[expected == 0].any(), "a token that no filter keeps"
    statistic, freedom = chi_squared(counts, expected)
    assert statistic <= limit(max(freedom, 1))


FILTERS = [
    Filters(1.0),
    Filters(0.7),
    Filters(2.5),
    Filters(1.0, top_k=5),
    Filters(1.0, top_k=1),
    Filters(0.7, top_p=0.95),
    Filters(1.0, top_p=0.3),
    Filters(1.0, top_p=0.0),
    Filters(1.0, min_p=0.2),
    Filters(1.5, top_k=50, top_p=0.8, min_p=0.05),
]


@pytest.mark.parametrize("filters", FILTERS, ids=str)
@pytest.mark.parametrize("spread", [0.1, 2.0, 8.0])
def test_frequencies_are_those_of_the_distribution(filters: Filters, spread: float) -> None:
    logits = np.random.default_rng(3).normal(0, spread, SIZE).astype(np.float32)
    check(logits, filters)


def test_equal_logits() -> None:
    """The lower ids count as likelier, so that exactly `top_k` are kept."""
    logits = np.zeros(8, np.float32)
    check(logits, Filters(1.0, top_k=3))
    check(logits, Filters(1.0, top_p=0.5))


def test_forbidden_tokens_never_come() -> None:
    logits = np.full(2000, -np.inf, np.float32)
    logits[[700, 1999]] = 0.0, 1.0
    check(logits, Filters(1.0))


@settings(max_examples=300, deadline=None)
@given(
    logits=st.lists(st.sampled_from([-np.inf, -3.0, 0.0, 0.5, 9.0]), min_size=1, max_size=2000),
    number=st.floats(0, 1, exclude_max=True),
    top_k=st.integers(0, 5),
    top_p=st.floats(0, 1),
)
def test_what_comes_is_always_allowed(
    logits: list[float], number: float, top_k: int, top_p: float
) -> None:
    row = np.array([*logits, 0.0], np.float32)
    filters = Filters(1.0, top_k, top_p)
    token = draw(row, filters, lambda attempt: (number + attempt * 0.37) % 1)
    assert exact(row, filters)[token] > 0 or top_p in (0.0, 1.0) or _borders(row, token, top_p)
    assert np.isfinite(row[token])


def _borders(row: NDArray[np.float32], token: int, top_p: float) -> bool:
    """Whether rounding decides on the token: the likelier ones have just the mass `top_p`."""
    weights = np.exp(row.astype(np.float64))
    likelier = (row > row[token]) | ((row == row[token]) & (np.arange(len(row)) < token))
    return abs(weights[likelier].sum() / weights.sum() - top_p) < 1e-5


def test_uniform_numbers_are_uniform_and_independent() -> None:
    numbers = np.array([uniform(seed, at) for seed in range(200) for at in range(200)])
    counts, _ = np.histogram(numbers, 64, (0, 1))
    statistic, freedom = chi_squared(counts, np.full(64, 1 / 64))
    assert statistic <= limit(freedom)
    grid = numbers.reshape(200, 200)
    for one, other in ((grid[:-1], grid[1:]), (grid[:, :-1], grid[:, 1:])):
        assert abs(np.corrcoef(one.ravel(), other.ravel())[0, 1]) < 0.02
    draws = np.array([[uniform(5, at, attempt) for attempt in (0, 1)] for at in range(20_000)])
    assert abs(np.corrcoef(draws.T)[0, 1]) < 0.03
    assert uniform(1, 2, 3) == uniform(1, 2, 3)
    assert uniform(2**64 + 1, 2) == uniform(1, 2)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.integers(-4, 4), min_size=1, max_size=700), st.integers(0, 20))
def test_the_likeliest_tokens(values: list[int], count: int) -> None:
    row = np.array(values, np.float32)
    order = sorted(range(len(row)), key=lambda token: (-row[token], token))[:count]
    assert [float(row[token]) for token in likeliest(row, count)] == [row[one] for one in order]


def test_logprobs_are_those_of_the_softmax() -> None:
    row = np.random.default_rng(1).normal(0, 3, 1000).astype(np.float32)
    exact_ones = row - np.log(np.exp(row.astype(np.float64)).sum())
    found = row_logprobs(row, 17, top=20)
    assert abs(found.logprob - exact_ones[17]) < 1e-5
    best = np.argsort(-row)[:20]
    assert [token for token, _ in found.top] == best.tolist()
    assert np.allclose([value for _, value in found.top], exact_ones[best], atol=1e-5)
