"""InFlightRequests: what a child has been asked for, with all that is needed to ask another.

When the process dies, each request goes to the next one: a generation as its prompt plus the tokens
that it has been given so far, so that its client sees one whole stream. A request that brings down
one process after another must not take the others with it:

- One that had got a token since the last crash is innocent so far: it is submitted at once.
- One that was in the process at two crashes without a token between them is suspect. Suspects are
  submitted first and one at a time, the one with the most crashes first; until it has got a token
  or has ended, nothing else is.
- A suspect that was alone in a process that died is the culprit, and fails. A process that was
  killed on purpose proves little: that has to happen to it many times.
"""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ovapi import logs
from ovapi.errors import ApiError, EngineFailed

log = logging.getLogger(__name__)

CRASHED = 1.0
KILLED = 1 / 16
"""What the end of a process proves against a suspect that was alone in it; 1 is enough.

Whoever kills a process on purpose does not mean a request, unless it watches over the memory.
"""


@dataclass(slots=True, kw_only=True)
class InFlight(ABC):
    """A request that has not ended.

    `crashes` counts the processes that died with it since it last got on, `proof` is what those
    say in which it was alone; `submitted` tells whether it is in the present process.
    """

    crashes: int = 0
    proof: float = 0.0
    submitted: bool = False

    @property
    @abstractmethod
    def id(self) -> str: ...

    @property
    @abstractmethod
    def names(self) -> Mapping[str, str]:
        """How log lines call it."""

    @property
    @abstractmethod
    def progress(self) -> int:
        """How many tokens its client has."""

    @abstractmethod
    def deliver(self, event: Any) -> bool:
        """Pass on what the child says to it; true if that was the last."""

    @abstractmethod
    def fail(self, error: ApiError) -> None:
        """End it."""

    @property
    def suspect(self) -> bool:
        return self.crashes > 1

    def got_on(self) -> None:
        self.crashes, self.proof = 0, 0.0


class InFlightRequests:
    """Belongs to the event loop's thread."""

    def __init__(self) -> None:
        self._requests: dict[str, InFlight] = {}

    def __bool__(self) -> bool:
        return bool(self._requests)

    def __contains__(self, request_id: str) -> bool:
        return request_id in self._requests

    def add(self, request: InFlight) -> None:
        """Take a request in; `resubmit` gives it out for its first time too."""
        self._requests[request.id] = request

    def remove(self, request_id: str) -> InFlight | None:
        """Forget a request; it is returned if it was here."""
        return self._requests.pop(request_id, None)

    def deliver(self, request_id: str, event: Any) -> bool:
        """Pass on what the child says to a request; true if that let a suspect go."""
        live = self._requests.get(request_id)
        if live is None:
            return False
        was_suspect = live.suspect
        if live.deliver(event):
            self._requests.pop(request_id, None)
            return was_suspect
        return was_suspect and not live.suspect

    def crashed(self, ids: Container[str] | None = None, proof: float = CRASHED) -> None:
        """The process has died, or has lost `ids`: find the culprit, and take the rest back."""
        submitted = [live for live in self._requests.values() if live.submitted]
        if len(submitted) == 1 and submitted[0].suspect:
            submitted[0].proof += proof
        for live in submitted:
            if ids is None or live.id in ids:
                self._take_back(live)

    def _take_back(self, live: InFlight) -> None:
        live.crashes += 1
        live.submitted = False
        with logs.about(live.names):
            log.warning("the engine exited %d tokens into the request", live.progress)
            if live.proof >= 1:
                log.error("the engine crashed on the request repeatedly, which fails")
                self._fail((live,), EngineFailed("The engine crashed repeatedly on this request."))

    def resubmit(self) -> list[InFlight]:
        """Those to submit now, marked as submitted: a suspect, or all if there is none."""
        if any(live.submitted and live.suspect for live in self._requests.values()):
            return []
        ready = [live for live in self._requests.values() if not live.submitted]
        suspects = [live for live in ready if live.suspect]
        if suspects:
            ready = [max(suspects, key=lambda live: live.crashes)]
        for live in ready:
            live.submitted = True
        return ready

    def fail(self, error: ApiError) -> None:
        """End every request."""
        self._fail(list(self._requests.values()), error)

    def _fail(self, lives: Iterable[InFlight], error: ApiError) -> None:
        for live in lives:
            self._requests.pop(live.id, None)
            live.fail(error)
