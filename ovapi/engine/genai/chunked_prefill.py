"""ChunkedPrefill: a long prompt goes into the cache in pieces, so that others keep their speed.

The pipeline fills every step with as much of a prompt as `max_batched_tokens` allows, and those
that decode wait for it. So while others decode, a long prompt is given to it as requests for a
single token, each of a longer beginning of the prompt: the prefix cache has what came before. In
between, steps without a prompt let the others catch up.
"""

from __future__ import annotations

import statistics
from collections import deque
from dataclasses import dataclass
from typing import Any

from ovapi.engine.text.input_processor import PreparedRequest

_BLOCK = 32  # tokens; the prefix cache keeps whole blocks
_CHEAP = 1.5
_REMEMBERED = 15  # steps: the median of them is what one takes
_GROWTH = 4


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


@dataclass(slots=True)
class ChunkedPrefill:
    """`handle` is that of the piece in the pipeline; `done` tokens are in the cache."""

    prepared: PreparedRequest
    chunk: int
    piece: int = 0
    done: int = 0
    end: int = 0
    handle: Any = None
    started: bool = False

    @property
    def ids(self) -> list[int]:
        return [*self.prepared.ids, *self.prepared.given]

    def next_piece(self, decoding: int) -> list[int] | None:
        """The beginning of the prompt that should be in the cache next; None at the last piece.

        Those that decode take their share of `chunk`.
        """
        size = max(_BLOCK, (self.chunk - decoding) // _BLOCK * _BLOCK)
        self.piece = max(self.piece, size)
        self.end = self.done + self.piece
        ids = self.ids
        return ids[: self.end] if self.end < len(ids) else None

    def entered(self, cheap: bool) -> None:
        """The piece is in the cache; if it was there before, the next ones may be too."""
        self.done = self.end
        self.piece = self.piece * _GROWTH if cheap else 0
        self.handle = None
