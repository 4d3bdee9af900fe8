"""PrefillBudget: how many tokens of long prompts go into a step beside those that decode.

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
        """Tokens of long prompts for a step in which others decode."""
        if not self._decodes:
            return CHUNK  # what a step takes is not known yet
        if self._seconds > self._max_slowdown * self._decode * self._steps:
            return 0
        if not self._token:
            return CHUNK
        fitting = (self._max_slowdown - 1) * self._decode / self._token
        return max(CHUNK, int(fitting) // CHUNK * CHUNK)

    def note(self, seconds: float, decoding: int, prompt: int, long: int) -> None:
        """A step has ended, of so many decoded tokens and prompt tokens, `long` of long prompts."""
        if not prompt:
            self._decodes.append(seconds)
        elif not decoding:
            self._learn(seconds / prompt)
        elif self._decodes:
            self._learn(max(seconds - self._decode, 0.0) / prompt)
        if long:
            self._seconds, self._steps = seconds, 1
        elif self._decodes:
            self._seconds += min(seconds, self._decode)
            self._steps += 1

    def _learn(self, token: float) -> None:
        known = token if self._token is None else self._token
        self._token = known + _NEWEST * (token - known)
