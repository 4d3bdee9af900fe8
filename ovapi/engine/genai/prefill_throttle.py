"""PrefillThrottle: how much of the steps a long prompt may take from those that decode."""

from __future__ import annotations

import statistics
from collections import deque

_CHEAP = 1.5
_REMEMBERED = 15  # steps: the median of them is what one takes


class PrefillThrottle:
    """Whether the next piece may enter: the steps since the one before have to average at most
    `most` times a step without a prompt."""

    def __init__(self, most: float) -> None:
        self._most = most
        self._decodes: deque[float] = deque(maxlen=_REMEMBERED)
        self._seconds = 0.0
        self._steps = 0

    @property
    def ready(self) -> bool:
        if not self._decodes:
            return False  # what a step takes is not known yet
        return self._seconds <= self._most * self._decode * self._steps

    @property
    def _decode(self) -> float:
        return statistics.median(self._decodes)

    def decoded(self, seconds: float) -> None:
        """A step without a prompt has ended."""
        self._decodes.append(seconds)
        self._seconds += seconds
        self._steps += 1

    def begin(self) -> None:
        """A piece enters with the next step."""
        self._seconds, self._steps = 0.0, 0

    def prefilled(self, seconds: float) -> None:
        """A step with a prompt has ended."""
        self._seconds += seconds
        self._steps += 1

    def is_cheap(self, seconds: float) -> bool:
        """Whether a step with a prompt took hardly longer than one without."""
        return bool(self._decodes) and seconds < _CHEAP * self._decode
