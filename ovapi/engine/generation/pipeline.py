"""GenerationPipeline: what computes tokens in a child, a step at a time, whatever it is made of."""

from __future__ import annotations

from typing import Protocol

from ovapi.core import Event
from ovapi.engine.base import EngineStats
from ovapi.engine.text.input_processor import InputProcessor, PreparedRequest

RequestEvent = tuple[str, Event]
"""An event with the id of its request."""


class StepFailed(Exception):
    """A step has failed; the requests `ids` are out of the pipeline, which works again."""

    def __init__(self, ids: frozenset[str]) -> None:
        super().__init__(f"{len(ids)} requests lost")
        self.ids = ids


class GenerationPipeline(Protocol):
    """Belongs to one thread. `submit` and `cancel` only take note; `step` does the work."""

    @property
    def busy(self) -> bool:
        """There is something for `step` to do."""
        ...

    @property
    def stats(self) -> EngineStats: ...

    @property
    def input_processor(self) -> InputProcessor:
        """Prepares requests, in any thread."""
        ...

    def submit(self, prepared: PreparedRequest) -> None:
        """Queue a request. Its Accepted comes with the next step."""
        ...

    def cancel(self, request_id: str) -> None:
        """Forget a request, if it is here: it gets no further events."""
        ...

    def step(self) -> list[RequestEvent]:
        """Take one step and give the events since the last one.

        Raises StepFailed if the requests have to be submitted again, and something else if the
        pipeline is beyond repair.
        """
        ...
