"""Log-probabilities of a row of logits, before temperature, penalties, biases and masks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

_CHUNK = 128


@dataclass(frozen=True, slots=True)
class Logprobs:
    """That of the token in question, and the likeliest tokens with theirs, best first."""

    logprob: float
    top: tuple[tuple[int, float], ...] = ()


def row_logprobs(logits: Floats, token: int, top: int = 0) -> Logprobs:
    """`top` is how many of the likeliest tokens to name."""
    largest = float(logits.max())
    total = largest + float(np.log(np.exp(logits - largest).sum(dtype=np.float64)))
    best = likeliest(logits, top)
    return Logprobs(
        float(logits[token]) - total, tuple((one, float(logits[one]) - total) for one in best)
    )


def likeliest(logits: Floats, count: int) -> Sequence[int]:
    """The tokens of the largest logits, best first, the lower id before its equal.

    They are in the chunks of the largest maxima: only these chunks are looked at closely.
    """
    count = min(count, len(logits))
    if count <= 0:
        return []
    starts = np.arange(0, len(logits), _CHUNK)
    maxima = np.maximum.reduceat(logits, starts)
    chunks = starts[_largest(maxima, count)]
    candidates = np.concatenate([np.arange(at, min(at + _CHUNK, len(logits))) for at in chunks])
    return candidates[_largest(logits[candidates], count)].tolist()  # type: ignore[no-any-return]


def _largest(values: Floats, count: int) -> NDArray[np.intp]:
    """The indices of the largest values, in order."""
    if count < len(values):
        found = np.argpartition(values, len(values) - count)[-count:]
    else:
        found = np.arange(len(values))
    return found[np.lexsort((found, -values[found]))]
