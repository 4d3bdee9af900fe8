"""Answer: how a dialect takes an answer in, whatever stands between the engine and the client."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol

from ovapi.core import Event
from ovapi.errors import ApiError

EventBatch = Sequence[tuple[int, Event]]
"""Events with the choice that each belongs to, in order."""


class ResponseEncoder(Protocol):
    """One answer in the making, in a dialect: fed with every event once, in order.

    Streaming takes what `encode` and `end` return; a whole answer is `add`ed and then `body`.
    """

    content_type: str
    keep_alive: bytes

    def encode(self, batch: EventBatch) -> bytes: ...

    def end(self) -> bytes: ...

    def error(self, error: ApiError) -> bytes:
        """The error in the stream; `end` follows."""
        ...

    def add(self, batch: EventBatch) -> None: ...

    def body(self) -> Iterator[bytes]:
        """The whole answer as JSON, in parts that take a few milliseconds each."""
        ...
