"""Observer: who wants to know what becomes of a model's requests, without being asked to act."""

from __future__ import annotations

import time
from typing import Protocol

from ovapi.core import Event, GenerateRequest
from ovapi.serving.metrics.request_timings import RequestTimings


class RequestRecorder(Protocol):
    """One engine request, from its submission to its end. Called on the event loop's thread.

    `event` comes with every event, so with every token: it must cost next to nothing.
    """

    @property
    def timings(self) -> RequestTimings: ...

    def event(self, event: Event) -> None: ...

    def calls(self, outcome: str, count: int) -> None:
        """So many tool calls of its answers have come to that."""
        ...

    def cancelled(self) -> None:
        """Its client has given it up; nothing follows."""
        ...


class Observer(Protocol):
    def begin(self, request: GenerateRequest) -> RequestRecorder:
        """`request` is about to be submitted."""
        ...


class NullRecorder:
    def __init__(self) -> None:
        self.timings = RequestTimings(time.monotonic())

    def event(self, event: Event) -> None:
        """Nobody wants to know."""

    def calls(self, outcome: str, count: int) -> None:
        """Nobody wants to know."""

    def cancelled(self) -> None:
        """Nobody wants to know."""


class NullObserver:
    """Stands where nobody watches."""

    def begin(self, request: GenerateRequest) -> RequestRecorder:
        return NullRecorder()
