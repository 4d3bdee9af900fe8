"""Model and ModelRegistry: from the name in a request to the engine that answers it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ovapi.config import ModelConfig
from ovapi.core import Event, Failed, Finished, GenerateRequest, SamplingParams, Sink
from ovapi.engine.base import Engine
from ovapi.errors import InvalidRequest, ModelFailed, ModelLoading, ModelNotFound, RateLimited
from ovapi.observer import NoObserver, Observer, Trace
from ovapi.stream import EventStream


@dataclass(slots=True)
class Slot:
    """What an engine request holds: `choices` have not ended yet, `trace` sees all of it."""

    choices: int
    trace: Trace


class Model:
    """A served model: its engine, its defaults and its admission slots.

    A slot is held by each engine request from `generate` to its last event; there are
    `max_running + max_queued` of them.
    """

    def __init__(self, config: ModelConfig, engine: Engine) -> None:
        self.config = config
        self.engine = engine
        self.created = int(time.time())
        self.observer: Observer = NoObserver()
        self.events = 0
        """How many events the engine has given: it stands still if an engine with work does."""
        self._open: dict[str, Slot] = {}
        self._idle = asyncio.Event()
        self._idle.set()

    @property
    def name(self) -> str:
        return self.config.name

    @property
    def in_hand(self) -> int:
        """Engine requests that hold a slot."""
        return len(self._open)

    @property
    def defaults(self) -> SamplingParams:
        """What a request gets for the sampling parameters that it does not name."""
        return self.config.defaults

    def generate(self, requests: Sequence[GenerateRequest]) -> EventStream:
        """Submit the engine requests of one HTTP request; their choices are numbered through.

        Raises ModelLoading, ModelFailed, RateLimited or InvalidRequest, and then nothing was
        submitted.
        """
        self.check_ready()
        self._check_slots(len(requests))
        stream = EventStream(
            sum(request.choices for request in requests), on_close=lambda: self._cancel(requests)
        )
        offset = 0
        for request in requests:
            self._submit(request, stream.sink(offset))
            offset += request.choices
        return stream

    def check_ready(self) -> None:
        """Raise the error that tells a client why this model cannot answer now."""
        state = self.engine.state
        if state.status == "loading":
            raise ModelLoading(f"The model '{self.name}' is still loading.", param="model")
        if state.status not in ("ready", "restarting"):
            raise ModelFailed(f"The model '{self.name}' is not available: {state.detail}")

    def _check_slots(self, wanted: int) -> None:
        limit = self.config.max_running + self.config.max_queued
        if wanted > limit:
            raise InvalidRequest(
                f"This asks for {wanted} choices in all; the model '{self.name}' takes at most "
                f"{limit} at a time. Lower 'n' or send fewer prompts.",
                param="n",
                code="invalid_value",
            )
        if len(self._open) + wanted > limit:
            raise RateLimited(
                f"The model '{self.name}' has {len(self._open)} of {limit} requests in hand and "
                f"this one needs {wanted} more. Try again later."
            )

    def _submit(self, request: GenerateRequest, sink: Sink) -> None:
        self._idle.clear()
        slot = self._open[request.id] = Slot(request.choices, self.observer.begin(request))

        def deliver(event: Event) -> None:
            self.events += 1
            slot.trace.event(event)
            self._count(request.id, slot, event)
            sink(event)

        self.engine.submit(request, deliver)

    def _count(self, request_id: str, slot: Slot, event: Event) -> None:
        """Release the slot at the last event of a request."""
        if isinstance(event, Finished):
            slot.choices -= 1
        if isinstance(event, Failed) or slot.choices == 0:
            self._release(request_id)

    def _release(self, request_id: str) -> Slot | None:
        """Take back a slot, if the request still has one."""
        slot = self._open.pop(request_id, None)
        if not self._open:
            self._idle.set()
        return slot

    async def idle(self) -> None:
        """Return once no request holds a slot."""
        await self._idle.wait()

    def _cancel(self, requests: Sequence[GenerateRequest]) -> None:
        for request in requests:
            slot = self._release(request.id)
            if slot is not None:
                slot.trace.cancelled()
                self.engine.cancel(request.id)


class ModelRegistry:
    """The models by name and alias, the default one first."""

    def __init__(self, models: Sequence[Model], default: str | None = None) -> None:
        self.hold(models, default)

    def hold(self, models: Sequence[Model], default: str | None) -> None:
        """Have these models from now on, and no others."""
        self._models = {model.name: model for model in models}
        self._names = {alias: model for model in models for alias in model.config.aliases}
        self._names.update(self._models)
        self._default = default

    def __iter__(self) -> Iterator[Model]:
        return iter(self._models.values())

    def get(self, name: str | None) -> Model:
        """The model of that name or alias; None is the default model. Raises ModelNotFound."""
        wanted = name if name is not None else self._default
        if wanted is None:
            raise ModelNotFound("This server has no model to serve.", param="model")
        if wanted not in self._names:
            raise ModelNotFound(f"The model '{wanted}' does not exist.", param="model")
        return self._names[wanted]
