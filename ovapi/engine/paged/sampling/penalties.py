"""Penalties: logits changed by the tokens that are there already."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from ovapi.core import SamplingParams


class Penalties:
    """Of one answer. Repetition counts the prompt's tokens too, presence and frequency do not."""

    def __init__(self, params: SamplingParams, prompt: Iterable[int]) -> None:
        self._repetition = params.repetition_penalty
        self._presence = params.presence_penalty
        self._frequency = params.frequency_penalty
        self._generated: Counter[int] = Counter()
        self._seen = set(prompt) if self._repetition != 1 else set[int]()

    @staticmethod
    def wanted(params: SamplingParams) -> bool:
        return (
            params.repetition_penalty != 1
            or params.presence_penalty != 0
            or params.frequency_penalty != 0
        )

    def accept(self, token: int) -> None:
        self._generated[token] += 1
        if self._repetition != 1:
            self._seen.add(token)

    def apply(self, logits: NDArray[np.float32]) -> None:
        """Change a row of logits in place."""
        if self._repetition != 1:
            self._repeat(logits)
        if self._generated and (self._presence or self._frequency):
            size = len(self._generated)
            tokens = np.fromiter(self._generated.keys(), np.int64, size)
            counts = np.fromiter(self._generated.values(), np.float32, size)
            logits[tokens] -= self._presence + self._frequency * counts

    def _repeat(self, logits: NDArray[np.float32]) -> None:
        tokens = np.fromiter(self._seen, np.int64, len(self._seen))
        values = logits[tokens]
        logits[tokens] = np.where(values < 0, values * self._repetition, values / self._repetition)
