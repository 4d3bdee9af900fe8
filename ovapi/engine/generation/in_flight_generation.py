"""InFlightGeneration: a generation that has not ended, and what its client has of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ovapi.core import Accepted, Delta, Event, Failed, Finished, GenerateRequest, Sink, Started
from ovapi.engine.generation.in_flight import InFlight
from ovapi.errors import ApiError


@dataclass(slots=True)
class InFlightGeneration(InFlight):
    """`given` are the token ids that its client has got. Each process accepts and starts it: `told`
    has which of that has been passed on. `open` is the number of choices to be finished."""

    request: GenerateRequest
    sink: Sink
    open: int = field(init=False)
    told: set[type[Event]] = field(default_factory=set)
    given: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.open = self.request.choices

    @property
    def id(self) -> str:
        return self.request.id

    @property
    def names(self) -> Mapping[str, str]:
        return self.request.names

    @property
    def progress(self) -> int:
        return len(self.given)

    def deliver(self, event: Any) -> bool:
        """Each event once, those too that every process has anew."""
        if self._repeats(event):
            return False
        if isinstance(event, Delta) and self.open == 1:
            self.given += event.token_ids
            self.got_on()
        elif isinstance(event, Finished):
            self.open -= 1
        self.sink(event)
        return isinstance(event, Failed) or self.open == 0

    def _repeats(self, event: Event) -> bool:
        """Whether `event` is of those that come once, and has come."""
        if not isinstance(event, Accepted | Started):
            return False
        known = type(event) in self.told
        self.told.add(type(event))
        return known

    def fail(self, error: ApiError) -> None:
        self.sink(Failed(error))
