"""EventQueue: collects the events of one feed, with neighbouring pieces joined."""

from __future__ import annotations

from ovapi.language.events import (
    OutputEvent,
    ReasoningDelta,
    TextDelta,
    ToolCallDelta,
    ToolCallEnd,
    ToolCallStart,
)

_Kind = type[TextDelta] | type[ReasoningDelta] | None  # None: arguments of a call


class EventQueue:
    """Pieces of the same kind that come one after the other become one event."""

    __slots__ = ("_events", "_index", "_kind", "_pieces", "given")

    def __init__(self) -> None:
        self._events: list[OutputEvent] = []
        self._pieces: list[str] = []
        self._kind: _Kind = TextDelta
        self._index = 0
        self.given = False  # has the answer shown anything yet?

    def text(self, text: str) -> None:
        if text:
            self._put(TextDelta, 0, text)

    def reasoning(self, text: str) -> None:
        if text:
            self._put(ReasoningDelta, 0, text)

    def arguments(self, index: int, fragment: str) -> None:
        if fragment:
            self._put(None, index, fragment)

    def call(self, event: ToolCallStart | ToolCallEnd) -> None:
        self._flush()
        self._events.append(event)
        self.given = True

    def drain(self) -> list[OutputEvent]:
        """Everything since the last time."""
        self._flush()
        events, self._events = self._events, []
        return events

    def _put(self, kind: _Kind, index: int, text: str) -> None:
        if kind is not self._kind or index != self._index:
            self._flush()
            self._kind, self._index = kind, index
        self._pieces.append(text)
        self.given = True

    def _flush(self) -> None:
        if not self._pieces:
            return
        text = "".join(self._pieces)
        self._pieces = []
        self._events.append(self._kind(text) if self._kind else ToolCallDelta(self._index, text))
