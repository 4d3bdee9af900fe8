"""Pace: how many tokens of prompts go beside those that decode.

They wait for the whole step, so a step may take `most` times one without a prompt. Where even the
smallest piece takes longer, steps without a prompt in between make up for it.
"""

from __future__ import annotations

import statistics
from collections import deque

PIECE = 32
"""Tokens: the least that goes into a step, and what larger pieces are multiples of."""
_REMEMBERED = 15  # steps: the median of them is what one takes
_NEWEST = 0.3  # the weight of the newest step in what a token of a prompt costs


class Pace:
    """Learns from each step what steps without a prompt take, and what a prompt's token adds."""

    def __init__(self, most: float) -> None:
        self._most = most
        self._decodes: deque[float] = deque(maxlen=_REMEMBERED)
        self._token: float | None = None
        self._seconds = 0.0  # of the steps since a piece went in, and how many
        self._steps = 0

    @property
    def _decode(self) -> float:
        return statistics.median(self._decodes)

    def budget(self) -> int:
        """The tokens of prompts for a step in which others decode."""
        if not self._decodes:
            return 0  # what a step takes is not known yet
        if self._seconds > self._most * self._decode * self._steps:
            return 0
        if not self._token:
            return PIECE
        fitting = (self._most - 1) * self._decode / self._token
        return max(PIECE, int(fitting) // PIECE * PIECE)

    def note(self, seconds: float, decoding: int, prompt: int) -> None:
        """A step has ended, of so many tokens that decode and tokens of prompts."""
        if not prompt:
            self._decodes.append(seconds)
            self._seconds += seconds
            self._steps += 1
        elif decoding:
            self._seconds, self._steps = seconds, 1
            self._learn(max(seconds - self._decode, 0.0) / prompt)
        elif prompt >= PIECE:
            self._learn(seconds / prompt)

    def _learn(self, token: float) -> None:
        known = token if self._token is None else self._token
        self._token = known + _NEWEST * (token - known)
