"""Model: a served model, and what waits for its engine."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from ovapi.config.settings import ModelConfig
from ovapi.core import (
    Accepted,
    Delta,
    Event,
    Failed,
    Finished,
    GenerateRequest,
    SamplingParams,
    Sink,
    Started,
)
from ovapi.engine.base import Engine, EngineStats, unavailable
from ovapi.errors import (
    InvalidRequest,
    QueueFull,
    QueueTimeout,
)
from ovapi.language.answer_reader import AnswerReader, reading
from ovapi.language.model_language import ModelLanguage
from ovapi.serving.admission import AdmissionControl, Demand, demand_of
from ovapi.serving.event_stream import EventStream
from ovapi.serving.fair_queue import FairQueue
from ovapi.serving.life.lifecycle import ModelLifecycle
from ovapi.serving.metrics.request_recorder import NullObserver, Observer
from ovapi.serving.submission import Slot, Submission


class Model:
    """A served model: its engine, its defaults, its admission slots and the queue for the engine.

    A slot is held by each engine request from `generate` to its last event; there are
    `max_running + max_queued` of them. The engine gets as many requests as it can run; the others
    wait in the queue, in which the callers take turns.
    """

    def __init__(
        self, config: ModelConfig, engine: Engine, make: Callable[[], Engine] | None = None
    ) -> None:
        """`make` gives the engines that come after `engine`, once that was unloaded."""
        self.lifecycle = ModelLifecycle(
            config, engine, make if make is not None else lambda: engine
        )
        self.created = int(time.time())
        self.observer: Observer = NullObserver()
        self.events = 0
        """How many events the engine has given: it stands still if an engine with work does."""
        self._open: dict[str, Slot] = {}
        self._waiting: FairQueue[Slot] = FairQueue()
        self._admission = AdmissionControl()
        self._starting = False
        self._idle = asyncio.Event()
        self._idle.set()

    @property
    def config(self) -> ModelConfig:
        return self.lifecycle.config

    @config.setter
    def config(self, config: ModelConfig) -> None:
        self.lifecycle.configure(config)

    @property
    def engine(self) -> Engine:
        """The present one: each load has its own."""
        return self.lifecycle.engine

    @property
    def name(self) -> str:
        return self.config.name

    @property
    def in_flight(self) -> int:
        """Engine requests that hold a slot."""
        return len(self._open)

    @property
    def started(self) -> int:
        """Engine requests that the engine has got."""
        return len(self._admission)

    @property
    def stats(self) -> EngineStats:
        """The engine's own, with those that wait here."""
        stats = self.engine.stats
        waiting = stats.waiting + len(self._waiting) + self.lifecycle.waiting
        return replace(stats, waiting=waiting)

    @property
    def language(self) -> ModelLanguage | None:
        """How the model writes calls and thought; None until it was loaded."""
        info = self.engine.state.info
        return info.language if info is not None else None

    @property
    def defaults(self) -> SamplingParams:
        """What a request gets for the sampling parameters that it does not name."""
        return self.config.defaults

    def generate(self, requests: Sequence[GenerateRequest], caller: str = "") -> EventStream:
        """Submit the engine requests of one HTTP request; their choices are numbered through.

        `caller` is whose turn in the queue they take. Raises ModelLoading, ModelFailed, QueueFull
        or InvalidRequest, and then nothing was submitted.
        """
        self.check_ready()
        self.check_slots(len(requests))
        read = [reading(request, self.language) for request in requests]
        stream = EventStream(
            sum(request.choices for request in requests), on_close=lambda: self._cancel(submission)
        )
        submission = Submission([request for request, _ in read], stream, caller)
        nobody_waits = self.started == len(self._open)
        slots = list(self._slots(submission, [reader for _, reader in read]))
        self._start_or_queue(slots, nobody_waits)
        if not stream.started and not stream.ended:
            self._set_alarm(submission)
        return stream

    def check_ready(self) -> None:
        """Raise the error that tells a client why this model cannot answer now."""
        if not self.lifecycle.available:
            self.lifecycle.check()
            raise unavailable(self.name, self.engine.state)

    def arrival(self, requests: int, until: float | None) -> asyncio.Future[None] | None:
        """What `requests` engine requests have to wait for; None if the model is ready.

        See `ModelLifecycle.wait`. Raises QueueFull too: who waits for the load is in the queue.
        """
        if self.lifecycle.available:
            return None
        self.check_slots(requests)
        return self.lifecycle.wait(requests, until)

    def check_slots(self, wanted: int) -> None:
        """Raise QueueFull or InvalidRequest if so many engine requests would get no slots now."""
        limit = self.config.max_running + self.config.max_queued
        if wanted > limit:
            raise InvalidRequest(
                f"The request has {wanted} choices; the model '{self.name}' accepts at most "
                f"{limit}. Lower 'n' or send fewer prompts.",
                param="n",
                code="invalid_value",
            )
        in_flight = len(self._open)
        if not self.lifecycle.available:
            in_flight += self.lifecycle.waiting
        if in_flight + wanted > limit:
            raise QueueFull(
                f"The queue of the model '{self.name}' is full: {in_flight} of {limit} requests in "
                f"flight, {wanted} more wanted. Try again later."
            )

    # --- the queue ---

    def _slots(
        self, submission: Submission, readers: Sequence[AnswerReader | None]
    ) -> Iterator[Slot]:
        """A slot for each engine request; their choices are numbered through."""
        self._idle.clear()
        offset = 0
        for request, reader in zip(submission.requests, readers, strict=True):
            slot = self._slot(request, submission, submission.stream.sink(offset, reader))
            slot.reader = reader
            self._open[request.id] = slot
            submission.stream.timings.append(slot.recorder.timings)
            offset += request.choices
            yield slot

    def _slot(self, request: GenerateRequest, submission: Submission, sink: Sink) -> Slot:
        def deliver(event: Event) -> None:
            self.events += 1
            slot.recorder.event(event)
            if isinstance(event, Delta):
                sink(event)
                if slot.reader is not None and slot.reader.cut is not None:
                    self._cut(slot, slot.reader.cut)
                return
            if isinstance(event, Started):
                return  # no client asks for it
            self._note(slot, event)
            sink(event)
            if slot.request.id not in self._open:
                _count_calls(slot)
            self._start_next()

        recorder, demand = self.observer.begin(request), demand_of(request, self._context)
        slot = Slot(request, submission, request.choices, recorder, demand, deliver)
        return slot

    def _start_or_queue(self, slots: Sequence[Slot], nobody_waits: bool) -> None:
        """Start them if it is their turn at once, as it mostly is; queue those that must wait."""
        for slot in slots:
            if slot.request.id not in self._open:
                continue  # it has ended with one of those before it
            if nobody_waits and self._has_room(slot.demand):
                self._start(slot)
            else:
                nobody_waits, slot.queued = False, True
                self._waiting.add(slot.submission.caller, slot.request.id, slot)

    @property
    def _context(self) -> int | None:
        info = self.engine.state.info
        return info.context if info is not None else None

    def _start_next(self) -> None:
        """Start whose turn it is, as far as the engine has room."""
        if self._starting or self.started == len(self._open):
            return  # an engine may answer while it is given a request
        self._starting = True
        try:
            while (slot := self._waiting.first()) is not None and self._has_room(slot.demand):
                self._start(self._waiting.take())
        finally:
            self._starting = False

    def _has_room(self, demand: Demand) -> bool:
        info = self.engine.state.info
        at_once = info.at_once if info is not None else None
        return self._admission.admits(
            demand, at_once or self.config.max_running, self.config.max_tokens_in_flight
        )

    def _start(self, slot: Slot) -> None:
        slot.started = True
        slot.submission.stream.started += 1
        self._admission.enter(slot.demand)
        if slot.submission.alarm is not None:
            slot.submission.alarm.cancel()
        request = replace(slot.request, caller=slot.submission.caller)
        self.engine.submit(request, slot.deliver)

    def _set_alarm(self, submission: Submission) -> None:
        seconds = self.config.queue_seconds
        submission.alarm = asyncio.get_running_loop().call_later(seconds, self._give_up, submission)

    def _give_up(self, submission: Submission) -> None:
        """None of its requests has started: the failure of the first ends them all."""
        slot = self._open[submission.requests[0].id]
        slot.deliver(
            Failed(
                QueueTimeout(
                    f"The request waited {self.config.queue_seconds:g} s in the queue of the model "
                    f"'{self.name}' without starting. Try again later."
                )
            )
        )

    # --- the end ---

    def _note(self, slot: Slot, event: Event) -> None:
        """Release the slot at the last event of a request; learn its size from the first."""
        if isinstance(event, Accepted):
            self._weigh(slot, event.prompt_tokens)
        elif isinstance(event, Finished):
            slot.choices -= 1
        if isinstance(event, Failed) or slot.choices == 0:
            self._release(slot.request.id)

    def _weigh(self, slot: Slot, prompt_tokens: int) -> None:
        """The engine has counted the prompt: put that in the place of the guess."""
        if slot.request.id in self._open:
            self._admission.leave(slot.demand)
            slot.demand = demand_of(slot.request, self._context, prompt_tokens)
            self._admission.enter(slot.demand)

    def _release(self, request_id: str) -> Slot | None:
        """Take back a slot, if the request still has one, and its place in line or engine."""
        slot = self._open.pop(request_id, None)
        if slot is None:
            return None
        if slot.started:
            self._admission.leave(slot.demand)
        elif slot.queued:
            self._waiting.remove(slot.submission.caller, request_id)
        if not self._open:
            self._idle.set()
        return slot

    async def idle(self) -> None:
        """Return once no request holds a slot, or waits for the model."""
        await self._idle.wait()
        await self.lifecycle.idle()

    def _cut(self, slot: Slot, finished: Finished) -> None:
        """The answer has ended before its engine did."""
        if self._open.get(slot.request.id) is not slot or slot.choices > 1:
            return
        slot.recorder.event(finished)
        _count_calls(slot)
        self._release(slot.request.id)
        self.engine.cancel(slot.request.id)
        self._start_next()

    def _cancel(self, submission: Submission) -> None:
        if submission.alarm is not None:
            submission.alarm.cancel()
        for request in submission.requests:
            slot = self._release(request.id)
            if slot is not None:
                _count_calls(slot)
                slot.recorder.cancelled()
                if slot.started:
                    self.engine.cancel(request.id)
        self._start_next()


def _count_calls(slot: Slot) -> None:
    if slot.reader is not None:
        for outcome, count in slot.reader.counts.items():
            if count:
                slot.recorder.calls(outcome, count)
