"""Drawing a token from a row of logits: exact for temperature, top-k, top-p and min-p, unsorted.

Each filter keeps the likeliest tokens of the distribution after temperature, and looks at all of
it. So a token is either kept or, with everything less likely, not: draw from all of them, and if
the drawn one is not kept, draw again from the likelier ones only. What comes out has the kept
tokens' own distribution. Among equally likely tokens the lower id counts as the likelier.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

_CHUNK = 512
_WHOLE = 4096  # tokens that one running sum is for


@dataclass(frozen=True, slots=True)
class Filters:
    """`top_k` 0 keeps all. `top_p` 0 and `min_p` 1 keep the likeliest token only."""

    temperature: float
    top_k: int = 0
    top_p: float = 1.0
    min_p: float = 0.0

    @property
    def keep_all(self) -> bool:
        return not self.top_k and self.top_p >= 1 and self.min_p <= 0


def draw(logits: Floats, filters: Filters, uniform: Callable[[int], float]) -> int:
    """A token. The largest logit must be finite; `uniform` gives the n-th number in [0, 1)."""
    best = int(logits.argmax())
    weights = logits * np.float32(1 / filters.temperature)
    weights -= weights[best]
    np.exp(weights, out=weights)  # the likeliest token has 1
    index = _pick(weights, uniform(0))
    if index == best or filters.keep_all:
        return index
    return _narrow(weights, index, filters, uniform)


def _narrow(weights: Floats, index: int, filters: Filters, uniform: Callable[[int], float]) -> int:
    """Draw from ever likelier tokens until one of them is kept; `index` was drawn first."""
    mass = filters.top_p * float(weights.sum())
    room = filters.top_k or len(weights)
    tokens: NDArray[np.intp] | None = None  # what `weights` belong to, if not to all
    attempt = 0
    while True:
        likelier = _likelier(weights, index)
        if _is_kept(weights, index, likelier, room, mass, filters.min_p):
            return int(index if tokens is None else tokens[index])
        tokens = likelier if tokens is None else tokens[likelier]
        weights = weights[likelier]
        attempt += 1
        index = _pick(weights, uniform(attempt))


def _pick(weights: Floats, uniform: float) -> int:
    """The index at which the running sum passes `uniform` of the whole; its weight is not 0."""
    if len(weights) <= _WHOLE:
        return _passing(weights.cumsum(dtype=np.float64), uniform)[0]
    starts = np.arange(0, len(weights), _CHUNK)
    sums = np.add.reduceat(weights, starts).cumsum(dtype=np.float64)
    chunk, goal = _passing(sums, uniform)
    before = float(sums[chunk - 1]) if chunk else 0.0
    start = chunk * _CHUNK
    within = weights[start : start + _CHUNK].cumsum(dtype=np.float64)
    return start + _passing(within, (goal - before) / (float(sums[chunk]) - before))[0]


def _passing(sums: NDArray[np.float64], uniform: float) -> tuple[int, float]:
    """Where running sums pass `uniform` of the last one, and what that is."""
    total = float(sums[-1])
    goal = min(uniform * total, math.nextafter(total, 0.0))
    return int(sums.searchsorted(goal, "right")), goal


def _likelier(weights: Floats, index: int) -> NDArray[np.intp]:
    """The tokens before this one in the order of likelihood, by rising index."""
    found = weights > weights[index]
    found[:index] |= weights[:index] == weights[index]
    return np.flatnonzero(found)


def _is_kept(
    weights: Floats, index: int, likelier: NDArray[np.intp], room: int, mass: float, min_p: float
) -> bool:
    if not len(likelier):
        return True  # one token is always kept
    if len(likelier) >= room or weights[index] < min_p:
        return False
    return float(weights[likelier].sum()) < mass
