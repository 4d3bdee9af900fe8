"""InFlightRequests: the requests in an engine process, with all that is needed to go on elsewhere.

When the process dies, each request is submitted to the next one as its prompt plus the tokens that
it has been given so far, and its client sees one whole stream. A request that brings down one
process after another must not take the others with it:

- One that had got a token since the last crash is innocent so far: it is submitted at once.
- One that was in the process at two crashes without a token between them is suspect. Suspects are
  submitted one at a time, the next when the one before has got a token.
- If a process dies with a single suspect in it, that one is the culprit, and fails.
"""

from __future__ import annotations

import logging
from collections.abc import Container, Iterable
from dataclasses import dataclass, field

from ovapi import logs
from ovapi.core import Accepted, Delta, Event, Failed, Finished, GenerateRequest, Sink, Started
from ovapi.errors import ApiError, EngineFailed

log = logging.getLogger(__name__)


@dataclass(slots=True)
class InFlightRequest:
    """A request that has not ended. `given` are the token ids that its client has got.

    `crashes` counts the processes that died with it since it last got a token; `submitted` tells
    whether it is in the present process. Each process accepts and starts it: `told` has which of
    that has been passed on.
    """

    request: GenerateRequest
    sink: Sink
    told: set[type[Event]] = field(default_factory=set)
    given: list[int] = field(default_factory=list)
    open: int = 1
    crashes: int = 0
    submitted: bool = False

    def repeats(self, event: Event) -> bool:
        """Whether `event` is of those that come once, and has come."""
        if not isinstance(event, Accepted | Started):
            return False
        known = type(event) in self.told
        self.told.add(type(event))
        return known

    def deliver(self, event: Event) -> None:
        if isinstance(event, Delta) and self.open == 1:
            self.given += event.token_ids
            self.crashes = 0
        elif isinstance(event, Finished):
            self.open -= 1
        self.sink(event)

    @property
    def suspect(self) -> bool:
        return self.crashes > 1


class InFlightRequests:
    """Belongs to the event loop's thread."""

    def __init__(self) -> None:
        self._requests: dict[str, InFlightRequest] = {}

    def __bool__(self) -> bool:
        return bool(self._requests)

    def add(self, request: GenerateRequest, sink: Sink) -> None:
        """Take a request in; `resubmit` gives it out for its first time too."""
        self._requests[request.id] = InFlightRequest(request, sink, open=request.choices)

    def remove(self, request_id: str) -> bool:
        """Forget a request; true if it was here."""
        return self._requests.pop(request_id, None) is not None

    def deliver(self, request_id: str, event: Event) -> bool:
        """Pass an event on to its client, each once; true if it let a suspect go."""
        live = self._requests.get(request_id)
        if live is None or live.repeats(event):
            return False
        was_suspect = live.suspect
        live.deliver(event)
        if isinstance(event, Failed) or live.open == 0:
            self._requests.pop(request_id, None)
            return was_suspect
        return was_suspect and not live.suspect

    def crashed(self, ids: Container[str] | None = None) -> None:
        """The process has died, or has lost `ids`: find the culprit, and take the rest back."""
        inside = [
            live
            for name, live in self._requests.items()
            if live.submitted and (ids is None or name in ids)
        ]
        for live in inside:
            live.crashes += 1
            live.submitted = False
            with logs.about(live.request.names):
                log.warning("the engine exited %d tokens into the request", len(live.given))
        suspects = [live for live in inside if live.suspect]
        if len(suspects) == 1:
            with logs.about(suspects[0].request.names):
                log.error("the engine crashed twice on the request, which fails")
            self._fail((suspects[0],), EngineFailed("The engine crashed twice on this request."))

    def resubmit(self) -> list[InFlightRequest]:
        """Those to submit now, marked as submitted: the innocent, and one suspect."""
        waiting = [live for live in self._requests.values() if not live.submitted]
        ready = [live for live in waiting if not live.suspect]
        if not any(live.submitted and live.suspect for live in self._requests.values()):
            ready += [live for live in waiting if live.suspect][:1]
        for live in ready:
            live.submitted = True
        return ready

    def fail(self, error: ApiError) -> None:
        """End every request."""
        self._fail(list(self._requests.values()), error)

    def _fail(self, lives: Iterable[InFlightRequest], error: ApiError) -> None:
        for live in lives:
            self._requests.pop(live.request.id, None)
            live.sink(Failed(error))
