"""Calls: the life of the calls in one answer, from the marker to the end of the arguments."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum, auto
from typing import Protocol

from ovapi.language.events import ToolCallEnd, ToolCallStart
from ovapi.language.offered_tools import OfferedTools
from ovapi.language.parsing.arguments import Arguments
from ovapi.language.parsing.event_queue import EventQueue
from ovapi.language.parsing.source import Malformed, Source, Step, Truncated


class ToolFormat(Protocol):
    """How a family writes calls.

    `openers` begin a call wherever they stand. `starts` do so where an answer or a call could
    begin: at the beginning, after thought, after another call; they are left unread for `parse`.
    """

    @property
    def openers(self) -> tuple[str, ...]: ...

    @property
    def starts(self) -> tuple[str, ...]: ...

    def parse(self, source: Source, calls: Calls, opener: str) -> Step[None]:
        """Read the calls that come next, up to and with their end marker.

        Malformed where the text cannot be one. What was read since the last `calls.begin`
        then becomes text, unless the call has been given out.
        """


class _State(Enum):
    IDLE = auto()
    PENDING = auto()  # not known yet whether it is a call: what is read is kept
    ACCEPTED = auto()
    REFUSED = auto()  # of a function that was not offered: what is read is text


class Calls:
    """Gives out calls of offered functions, and all others as the text that they were.

    A call is given out as soon as its function is known and its arguments have begun. If it breaks
    off after that, it ends with what its arguments miss, and the text goes on where it broke off.
    """

    def __init__(
        self, source: Source, tools: OfferedTools, events: EventQueue, new_id: Callable[[], str]
    ) -> None:
        self.tools = tools
        self.given = 0
        self.malformed = 0
        self.truncated = 0
        self.unknown = 0
        self.arguments = Arguments(self._fragment)
        self._source = source
        self._events = events
        self._new_id = new_id
        self._state = _State.IDLE
        self._raw: list[str] = []
        self._counted = True
        self._ids: set[str] = set()

    def begin(self, read: str = "", counted: bool = True) -> None:
        """A call may begin here, of which `read` has been read already.

        Unless it is `counted` it may as well be none, and then is no failure.
        """
        self._state = _State.PENDING
        self._counted = counted
        self._raw = [read]
        self._source.record = self._raw.append

    def offers(self, name: str) -> bool:
        """Was the function offered? If not, the call is text from here on."""
        if self._state is _State.PENDING and name not in self.tools:
            self._refuse()
        return self._state is _State.PENDING

    def open(self, name: str, id: str | None = None) -> Arguments:
        """The call is one, of this function; its arguments are written to what is returned."""
        self.arguments = Arguments(self._fragment)
        if self.offers(name):
            self._state = _State.ACCEPTED
            self._forget()
            self._events.call(ToolCallStart(self.given, self._unused(id), name))
            self.given += 1
        return self.arguments

    def close(self) -> None:
        """The arguments are whole. What separates this call from the next belongs to this one."""
        assert self.arguments.whole
        if self._state is _State.ACCEPTED:
            self._events.call(ToolCallEnd(self.given - 1))

    def drop(self) -> None:
        """Forget what was read since `begin`: it is neither a call nor text."""
        self._state = _State.IDLE
        self._forget()

    def end(self) -> bool:
        """The format has read its end. False if no call came of it, and it is text."""
        accepted = self._state in (_State.ACCEPTED, _State.IDLE)
        self._give_back()
        return accepted

    def fail(self, error: Malformed) -> bool:
        """The text is malformed at this point. False if what was read is text."""
        counted = self._counted or self._state is _State.ACCEPTED
        if isinstance(error, Truncated):
            self.truncated += counted
        else:
            self.malformed += counted
        if self._state is _State.ACCEPTED and not self.arguments.whole:
            self._events.call(ToolCallEnd(self.given - 1, self.arguments.missing))
        self._give_back()
        return False

    def _unused(self, id: str | None) -> str:
        """The id that the model wrote, unless another call has it."""
        if not id or id in self._ids:
            id = self._new_id()
        self._ids.add(id)
        return id

    def _fragment(self, fragment: str) -> None:
        if self._state is _State.ACCEPTED:
            self._events.arguments(self.given - 1, fragment)

    def _refuse(self) -> None:
        self.unknown += self._counted
        self._state = _State.REFUSED
        self._events.text("".join(self._raw))
        self._raw = []
        self._source.record = self._events.text

    def _give_back(self) -> None:
        if self._state is _State.PENDING:
            self._events.text("".join(self._raw))
        self._state = _State.IDLE
        self._forget()

    def _forget(self) -> None:
        self._raw = []
        self._source.record = None
