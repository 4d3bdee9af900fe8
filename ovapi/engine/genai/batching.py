"""BatchingPipeline: many requests in one ContinuousBatchingPipeline, a step at a time.

It runs in the engine process, in one thread, and knows nothing of pipes between processes.
"""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable
from typing import Any

from ovapi import logs
from ovapi.core import Event, Failed, Started
from ovapi.engine.base import EngineSpec, EngineStats
from ovapi.engine.genai.chunked_prefill import ChunkedPrefill
from ovapi.engine.genai.pipeline import Pipeline
from ovapi.engine.genai.running_request import RunningRequest, finish_reasons
from ovapi.engine.generation.pipeline import RequestEvent, StepFailed
from ovapi.engine.text.input_processor import InputProcessor, PreparedRequest
from ovapi.errors import EngineFailed

log = logging.getLogger(__name__)


class BatchingPipeline:
    """See `GenerationPipeline`. `build` makes openvino_genai's pipeline, again if it breaks.

    At most `max_running` sequences run at a time. While any do, a prompt of more than
    `max_batched_tokens` enters in pieces, see `ChunkedPrefill`, and shorter ones may overtake it.
    """

    def __init__(
        self,
        genai: Any,
        build: Callable[[], Any],
        input_processor: InputProcessor,
        spec: EngineSpec,
    ) -> None:
        self.input_processor = input_processor
        self._max_running = spec.max_running
        self._reasons = finish_reasons(genai)
        self._pipeline = Pipeline(genai, build, input_processor)
        self._prefill = ChunkedPrefill(self._pipeline, self, spec)
        self._waiting: dict[str, PreparedRequest] = {}
        self._running: dict[str, RunningRequest] = {}
        self._entered: deque[RunningRequest] = deque()  # in the pipeline, and in no step yet
        self._events: deque[RequestEvent] = deque()

    @property
    def busy(self) -> bool:
        """There is something for `step` to do."""
        waiting = self._waiting or self._prefill
        return bool(self._running or waiting or self._events) or not self._pipeline.settled

    @property
    def stats(self) -> EngineStats:
        usage = self._pipeline.cache_usage if self._running else 0.0
        return EngineStats(len(self._running) + bool(self._prefill), len(self._waiting), usage)

    def submit(self, prepared: PreparedRequest) -> None:
        """Queue the request. Its Accepted comes with the next step."""
        self._waiting[prepared.request.id] = prepared
        self.tell(prepared.request.id, prepared.accepted)

    def cancel(self, request_id: str) -> None:
        self._waiting.pop(request_id, None)
        if self._prefill.request_id == request_id:
            self._prefill.cancel()
        running = self._running.get(request_id)
        if running is not None:
            self._drop(running)

    def step(self) -> list[RequestEvent]:
        """Admit who fits, take one step, and give the events since the last one."""
        try:
            self._prefill.before_step(len(self._running))
            self._admit()
            self._step()
        except Exception as error:
            raise StepFailed(self._recover(error)) from error
        events = list(self._events)
        self._events.clear()
        return events

    def _step(self) -> None:
        # a step without requests frees the blocks of those that were cancelled
        if self._running or self._prefill.has_piece or not self._pipeline.settled:
            began = time.monotonic()
            self._pipeline.step()
            if self._entered:
                self._note_started(began)
            begun = sum(running.begun for running in self._running.values())
            self._prefill.after_step(began, begun, len(self._running))
        for running in list(self._running.values()):
            self._collect(running)

    def _admit(self) -> None:
        """First come, first served; a wide beam search waits for its turn like everybody.

        A long prompt waits for the one that enters, and only those like it wait for it.
        """
        if not self._waiting:
            return
        room = self._max_running - sum(running.prepared.width for running in self._running.values())
        room -= bool(self._prefill)
        for prepared in list(self._waiting.values()):
            long = bool(self._running) and self._prefill.is_long(prepared)
            if long and self._prefill:
                continue
            room -= prepared.width
            if room < 0 and self._running:
                return
            del self._waiting[prepared.request.id]
            if long:
                self._prefill.begin(prepared)
            else:
                self.add(prepared)

    def add(self, prepared: PreparedRequest, started: bool = False) -> None:
        """Have a request run, its whole prompt first. `started`: a part of that is in the cache."""
        request = prepared.request
        try:
            handle = self._pipeline.add(prepared)
        except Exception:
            with logs.about(request.names):
                log.exception("the pipeline rejected the request")
            self._fail(request.id, "The engine rejected the request.")
            return
        running = RunningRequest(prepared, handle, self.input_processor, self._reasons)
        self._running[running.id] = running
        if not started:
            self._entered.append(running)

    def _note_started(self, began: float) -> None:
        """Tell which requests were in a step for the first time.

        The pipeline says how many requests the step was of: it takes those that decode first, then
        prompts in the order of their arrival, as far as `max_num_batched_tokens` goes.
        """
        old = len(self._running) - len(self._entered)
        new = self._pipeline.scheduled - old - self._prefill.has_piece
        while self._entered and (new > 0 or self._entered[0].handle.can_read()):
            self.tell(self._entered.popleft().id, Started(began))
            new -= 1

    def _collect(self, running: RunningRequest) -> None:
        """Read what the last step made for this request."""
        if running.handle.can_read():
            self._events.extend((running.id, event) for event in running.read())
            if running.ended:
                self._drop(running)
        elif not self._pipeline.runs(running.handle):
            with logs.about(running.prepared.request.names):
                log.warning("KV cache exhausted, the request fails")
            self._drop(running)
            self._fail(running.id, "The engine ran out of KV cache for this request.")

    def _drop(self, running: RunningRequest) -> None:
        """Take a request out of the pipeline, finished or not."""
        self._pipeline.cancel(running.handle)
        del self._running[running.id]
        if running in self._entered:
            self._entered.remove(running)

    def tell(self, request_id: str, event: Event) -> None:
        """Add an event to those of the next step."""
        self._events.append((request_id, event))

    def _fail(self, request_id: str, message: str) -> None:
        self.tell(request_id, Failed(EngineFailed(message)))

    def _recover(self, error: Exception) -> frozenset[str]:
        """A step that raised leaves the pipeline useless: empty it, and mend it.

        Returns the ids of all requests that were here, those with undelivered events too.
        """
        log.error("step failed with %d requests running: %s", len(self._running), error)
        lost = {*self._running, *self._waiting, *(id for id, _ in self._events)}
        if self._prefill.request_id is not None:
            lost.add(self._prefill.request_id)
        self._prefill.cancel()
        for running in list(self._running.values()):
            self._drop(running)
        self._waiting.clear()
        self._events.clear()
        self._pipeline.mend()
        return frozenset(lost)

    def probe(self) -> bool:
        """Whether the pipeline gives a real token. Only while nothing else runs."""
        return self._pipeline.probe()
