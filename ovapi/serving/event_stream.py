"""EventStream: where the events of one HTTP request wait for its handler.

Engines run in other threads and processes. Their events reach the event loop through
`IOLoop.add_callback` at one place, `Bridge.post`; from there on everything is the loop's thread
alone, so a stream needs no lock.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

from tornado.ioloop import IOLoop

from ovapi.core import Accepted, Delta, Event, Failed, Finished, Sink, Started, Usage
from ovapi.errors import DeadlineExceeded
from ovapi.language.answer_reader import AnswerReader
from ovapi.serving.metrics.request_timings import RequestTimings


class Bridge:
    """The one door from other threads to the event loop."""

    def __init__(self, loop: IOLoop) -> None:
        self._loop = loop

    def post(self, callback: Callable[..., Any], *args: Any) -> None:
        """Run `callback(*args)` on the loop's thread, soon. Safe from any thread."""
        self._loop.add_callback(callback, *args)


class EventStream:
    """Events of the `choices` of one HTTP request, in order of arrival, for one consumer.

    Producers call the sinks on the loop's thread; the consumer awaits `drain`. A choice that has
    ended takes no more events, and a Failed ends them all. `on_close` runs once if choices are
    given up while open: after a Failed, at the deadline, or when the consumer leaves before the
    end.
    """

    def __init__(self, choices: int, on_close: Callable[[], None]) -> None:
        self._on_close = on_close
        self._waiting: deque[tuple[int, Event]] = deque()
        self._waiter: asyncio.Future[None] | None = None
        self._due = 0.0
        self._alarm: asyncio.TimerHandle | None = None
        self._open = set(range(choices))
        self._tokens = [0] * choices
        self._prompts: dict[int, int] = {}  # tokens of each engine request, by its offset
        self._readers: dict[int, AnswerReader] = {}  # of those whose answers are to be read
        self._deadline: asyncio.TimerHandle | None = None
        self.started = 0
        """How many engine requests behind it an engine has got."""
        self.timings: list[RequestTimings] = []
        """Of each engine request behind it."""

    @property
    def ended(self) -> bool:
        """No choice is open any more: what `drain` has not given yet is the rest."""
        return not self._open

    def sink(self, offset: int = 0, reader: AnswerReader | None = None) -> Sink:
        """The sink of the engine request whose choice 0 is choice `offset` of this stream.

        What a `reader` makes of its events takes their place.
        """
        self._prompts[offset] = 0
        if reader is not None:
            self._readers[offset] = reader
            return lambda event: self._read(offset, reader, event)

        def put(event: Event) -> None:
            self._put(offset, event)

        return put

    def _read(self, offset: int, reader: AnswerReader, event: Event) -> None:
        for meant in reader.read(event):
            self._put(offset, meant)

    def _put(self, offset: int, event: Event) -> None:
        if isinstance(event, Delta):
            choice = offset + event.index
            if choice not in self._open:
                return
            self._tokens[choice] += len(event.token_ids)
        else:
            choice = offset + event.index if isinstance(event, Finished) else offset
            if not self._takes(choice, event):
                return
        self._waiting.append((choice, event))
        self._wake()

    def _takes(self, choice: int, event: Accepted | Started | Finished | Failed) -> bool:
        """Note what the event means for what is open; false if it comes too late."""
        if isinstance(event, Failed) and self._open:
            self._give_up()
            return True
        if choice not in self._open:
            return False
        if isinstance(event, Accepted):
            self._prompts[choice] = event.prompt_tokens
        elif isinstance(event, Finished):
            self._open.discard(choice)
        return True

    def end_at(self, when: float) -> None:
        """At that time of the loop, end what is open with what it has, for its length.

        If nothing has any token then, that is a DeadlineExceeded.
        """
        self._deadline = asyncio.get_running_loop().call_at(when, self._run_out)

    def _run_out(self) -> None:
        if not self._open:
            return
        if not any(self._tokens):
            self._put(0, Failed(DeadlineExceeded("Request deadline exceeded.")))
            return
        cut = [(choice, event) for choice in sorted(self._open) for event in self._cut(choice)]
        self._give_up()
        self._waiting += cut
        self._wake()

    def _cut(self, choice: int) -> Sequence[Event]:
        """The end of a choice as it is now, with what its reader has held back."""
        offset = max(offset for offset in self._prompts if offset <= choice)
        usage = Usage(self._prompts[offset], self._tokens[choice])
        finished = Finished("length", usage, choice - offset)
        reader = self._readers.get(offset)
        return (finished,) if reader is None else reader.read(finished)

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def close(self) -> None:
        """The consumer is done. If choices are still open they are given up, here and below."""
        if self._open:
            self._give_up()
        for timer in (self._alarm, self._deadline):
            if timer is not None:
                timer.cancel()
        self._wake()

    def _give_up(self) -> None:
        self._open.clear()
        self._on_close()

    async def drain(self, timeout: float) -> list[tuple[int, Event]]:
        """All that waits, as (choice, event); empty after `timeout` seconds or once closed."""
        if not self._waiting and self._open:
            await self._arrival(timeout)
        events = list(self._waiting)
        self._waiting.clear()
        return events

    async def _arrival(self, timeout: float) -> None:
        """Wait for an event or the alarm: `asyncio.wait_for` would make a task for each token."""
        loop = asyncio.get_running_loop()
        self._waiter = loop.create_future()
        self._due = loop.time() + timeout
        if self._alarm is None:
            self._alarm = loop.call_at(self._due, self._ring)
        try:
            await self._waiter
        finally:
            self._waiter = None

    def _ring(self) -> None:
        """Wake the consumer, or ring again later: the alarm is not set anew for each wait."""
        loop = asyncio.get_running_loop()
        if self._waiter is None or loop.time() >= self._due:
            self._alarm = None
            self._wake()
        else:
            self._alarm = loop.call_at(self._due, self._ring)
