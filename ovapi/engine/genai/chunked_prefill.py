"""ChunkedPrefill: a long prompt goes into the cache in pieces, so that others keep their speed.

The pipeline fills every step with as much of a prompt as `max_batched_tokens` allows, and those
that decode wait for it. So while others decode, a long prompt is given to it as requests for a
single token, each of a longer beginning of the prompt: the prefix cache has what came before. In
between, steps without a prompt let the others catch up.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any, Protocol

from ovapi.core import Event, Started
from ovapi.engine.base import EngineSpec
from ovapi.engine.genai.pipeline import Pipeline
from ovapi.engine.genai.prefill_throttle import PrefillThrottle
from ovapi.engine.text.input_processor import PreparedRequest

_BLOCK = 32  # tokens; the prefix cache keeps whole blocks
_GROWTH = 4


@dataclass(slots=True)
class Prefill:
    """One prompt on its way: `done` tokens of it are in the cache, `handle` is that of the piece
    in the pipeline, `chunk` the tokens of a step."""

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


class Batch(Protocol):
    """Those beside whom a prompt enters."""

    def add(self, prepared: PreparedRequest, started: bool = False) -> None:
        """Take the prompt into the pipeline whole."""
        ...

    def tell(self, request_id: str, event: Event) -> None: ...


class ChunkedPrefill:
    """One prompt at a time; `bool` tells whether there is one."""

    def __init__(self, pipeline: Pipeline, batch: Batch, spec: EngineSpec) -> None:
        self.throttle = PrefillThrottle(spec.max_slowdown)
        self._pipeline = pipeline
        self._batch = batch
        self._chunk = spec.batched_tokens
        self._prefill: Prefill | None = None

    def __bool__(self) -> bool:
        return self._prefill is not None

    @property
    def request_id(self) -> str | None:
        return self._prefill.prepared.request.id if self._prefill is not None else None

    @property
    def has_piece(self) -> bool:
        """A piece of the prompt is in the pipeline."""
        return self._prefill is not None and self._prefill.handle is not None

    def is_long(self, prepared: PreparedRequest) -> bool:
        """Whether it would hold up others."""
        tokens = len(prepared.ids) + len(prepared.given)
        return prepared.width == 1 and tokens > self._chunk

    def begin(self, prepared: PreparedRequest) -> None:
        assert self._prefill is None
        self._prefill = Prefill(prepared, self._chunk)

    def cancel(self) -> None:
        """Forget the prompt, if there is one."""
        if self._prefill is not None and self._prefill.handle is not None:
            self._pipeline.cancel(self._prefill.handle)
        self._prefill = None

    def before_step(self, decoding: int) -> None:
        """Give the pipeline the next piece, if it is time for it; the whole if nobody decodes."""
        prefill = self._prefill
        if prefill is None or prefill.handle is not None:
            return
        piece = None
        if decoding:
            if not self.throttle.ready:
                return
            piece = prefill.next_piece(decoding)
        self.throttle.begin()
        if piece is None:
            self._prefill = None
            self._batch.add(prefill.prepared, prefill.started)
        else:
            prefill.handle = self._pipeline.add_single(piece)

    def after_step(self, began: float, decoding: int, running: int) -> None:
        """Note what the step was for, and how long it took.

        It began at `began` in time.monotonic(); of `running` requests, `decoding` have a token.
        """
        seconds = time.monotonic() - began
        if self._prefill is not None and self._prefill.handle is not None:
            self._collect(self._prefill, began, seconds)
        elif decoding and decoding == running:
            self.throttle.decoded(seconds)
        elif decoding:
            self.throttle.prefilled(seconds)

    def _collect(self, prefill: Prefill, began: float, seconds: float) -> None:
        self.throttle.prefilled(seconds)
        if not prefill.started:
            self._batch.tell(prefill.prepared.request.id, Started(began))
            prefill.started = True
        if prefill.handle.can_read():
            prefill.handle.read()
            prefill.entered(self.throttle.is_cheap(seconds))
        elif not self._pipeline.runs(prefill.handle):
            # the cache is full: the whole prompt must fare as any other does
            self._prefill = None
            self._batch.add(prefill.prepared, started=True)
