"""PrefillBudget: how many prompt tokens a step may prefill beside those that decode.

Those that decode wait for the whole step, so it may take `max_slowdown` times one without prompt
tokens. Where even the smallest chunk takes longer, steps without any make up for it.
"""

from __future__ import annotations

import statistics
from collections import deque

CHUNK = 32
"""Tokens: the smallest chunk, of which larger ones are multiples."""
_REMEMBERED = 15  # steps: the median of them is what one takes
_NEWEST = 0.3  # the weight of the newest step in what a token of a prompt costs


class PrefillBudget:
    """Learns from each step what decoding takes, and what a prompt token adds to it."""

    def __init__(self, max_slowdown: float) -> None:
        self._max_slowdown = max_slowdown
        self._decodes: deque[float] = deque(maxlen=_REMEMBERED)
        self._token: float | None = None
        self._seconds = 0.0  # of the steps since the last chunk, and their number
        self._steps = 0

    @property
    def _decode(self) -> float:
        return statistics.median(self._decodes)

    def tokens(self) -> int:
        """Prompt tokens for a step in which others decode."""
        if not self._decodes:
            return 0  # what a step takes is not known yet
        if self._seconds > self._max_slowdown * self._decode * self._steps:
            return 0
        if not self._token:
            return CHUNK
        fitting = (self._max_slowdown - 1) * self._decode / self._token
        return max(CHUNK, int(fitting) // CHUNK * CHUNK)

    def note(self, seconds: float, decoding: int, prompt: int) -> None:
        """A step of so many decoded and prompt tokens has ended."""
        if not prompt:
            self._decodes.append(seconds)
            self._seconds += seconds
            self._steps += 1
        elif decoding:
            self._seconds, self._steps = seconds, 1
            self._learn(max(seconds - self._decode, 0.0) / prompt)
        elif prompt >= CHUNK:
            self._learn(seconds / prompt)

    def _learn(self, token: float) -> None:
        known = token if self._token is None else self._token
        self._token = known + _NEWEST * (token - known)
