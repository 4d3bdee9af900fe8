"""OutputParser: turns what a model writes into events, as it is written.

    parser = family.parser(OfferedTools.of(request.tools), opened=family.opened_by(prompt))
    for piece in pieces_of_text:  # in any sizes
        for event in parser.feed(piece):
            …
    for event in parser.finish():
        …

What the text says is the same for every way of cutting it into pieces. Plain text comes out at
once; only what may become a marker waits for what follows it. A finished parser can tell how many
calls were `malformed` (and are text, or broken off), `truncated` by the end of the text, or of an
`unknown` function (and are text).

White space between calls, and between thought, calls and the end, is dropped.
"""

from __future__ import annotations

from collections.abc import Callable

from ovapi.language.call_ids import IdForm
from ovapi.language.events import OutputEvent
from ovapi.language.offered_tools import OfferedTools
from ovapi.language.parsing.answer_markers import answer_markers
from ovapi.language.parsing.channels import ChannelFormat
from ovapi.language.parsing.event_queue import EventQueue
from ovapi.language.parsing.source import Malformed, Source, Step
from ovapi.language.reasoning.format import ReasoningFormat
from ovapi.language.reasoning.thought import Thought
from ovapi.language.tools.calls import Calls, ToolFormat


class OutputParser:
    """For one answer. `opened`: the prompt has begun the thought, or the header, already.

    `hidden` are texts of special tokens that the client is not to see. Inside calls they stay.
    """

    def __init__(
        self,
        format: ToolFormat | ChannelFormat | None,
        reasoning: ReasoningFormat | None,
        tools: OfferedTools,
        opened: bool = False,
        hidden: tuple[str, ...] = (),
        new_id: Callable[[], str] = IdForm.ANY.new,
    ) -> None:
        self._source = Source()
        self._events = EventQueue()
        self._calls = Calls(self._source, tools, self._events, new_id)
        self._format = format
        self._reasoning = reasoning
        self._opened = opened
        self._markers = answer_markers(format, reasoning, hidden)
        self._steps = self._answer()
        self._finished = False
        next(self._steps)

    @property
    def malformed(self) -> int:
        return self._calls.malformed

    @property
    def truncated(self) -> int:
        return self._calls.truncated

    @property
    def unknown(self) -> int:
        return self._calls.unknown

    def feed(self, piece: str) -> list[OutputEvent]:
        """Take the next piece of text; return the events that it completes."""
        assert not self._finished
        if piece and not self._source.pass_on(piece):
            self._source.push(piece)
            next(self._steps)
        return self._events.drain()

    def finish(self) -> list[OutputEvent]:
        """The text is over; return what was held back."""
        assert not self._finished
        self._finished = True
        self._source.ended = True
        next(self._steps, None)
        return self._events.drain()

    def _answer(self) -> Step[None]:
        yield
        if self._opened:
            yield from self._go_on()
        fresh = True  # may thought, or a call without a marker, begin here?
        while True:
            found = yield from self._next(fresh)
            if found is None:
                return
            space, marker = found
            if self._reasoning and marker in self._reasoning.openers:
                yield from self._think(self._reasoning)
                fresh = True
            else:
                fresh = yield from self._call(space, marker)

    def _go_on(self) -> Step[None]:
        """With what the prompt has begun. A model that begins it once more is understood."""
        if self._reasoning:
            yield from self._source.accept(*self._reasoning.openers, spaced=True)
            yield from self._think(self._reasoning)
        elif isinstance(self._format, ChannelFormat):
            yield from self._call("", "")

    def _next(self, fresh: bool) -> Step[tuple[str, str] | None]:
        """Give out text up to the next marker, and read that unless it begins the call itself.

        Returns it with the white space before it that was not given out; None at the end.
        """
        if fresh and (found := (yield from self._next_at_once())):
            return found
        while marker := (yield from self._source.until(self._markers.anywhere, self._events.text)):
            if marker not in self._markers.hidden:
                return "", marker
        return None

    def _next_at_once(self) -> Step[tuple[str, str] | None]:
        """The same where nothing but white space may stand before the marker."""
        while True:
            space = yield from self._source.space()
            marker = yield from self._source.accept(*self._markers.fresh)
            if marker and marker not in self._markers.hidden:
                return space, marker
            more = yield from self._source.peek()
            if more and (yield from self._starts()):
                return space, ""
            if more or not self._events.given:
                self._events.text(space)
            if not marker:
                return None

    def _starts(self) -> Step[bool]:
        starts = self._markers.starts
        return bool(starts) and (yield from self._source.followed_by(*starts))

    def _think(self, format: ReasoningFormat) -> Step[None]:
        hidden = self._markers.hidden
        yield from Thought(self._source, format, self._events.reasoning, hidden).read()

    def _call(self, space: str, marker: str) -> Step[bool]:
        """Read calls; false if what was read has become text."""
        assert self._format is not None
        self._calls.begin(space + marker, counted=bool(marker))
        try:
            if isinstance(self._format, ChannelFormat):
                yield from self._format.parse(
                    self._source, self._calls, self._events, marker, self._markers.hidden
                )
            else:
                yield from self._format.parse(self._source, self._calls, marker)
        except Malformed as error:
            return self._calls.fail(error)
        return self._calls.end()
