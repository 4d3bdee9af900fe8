"""Batcher: many requests in one ContinuousBatchingPipeline, a step at a time.

It runs in the engine process, in one thread, and knows nothing of pipes.
"""

from __future__ import annotations

import itertools
import logging
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ovapi import logs
from ovapi.core import Accepted, Event, Failed, FinishReason, GenerateRequest, Started
from ovapi.engine.base import EngineSpec, EngineStats
from ovapi.engine.genai import generation_config as sampling
from ovapi.engine.genai.chunked_prefill import ChunkedPrefill, PrefillThrottle
from ovapi.engine.genai.speculation import assist
from ovapi.engine.text.input_processor import InputProcessor, PreparedRequest
from ovapi.engine.text.output_processor import OutputProcessor
from ovapi.errors import ApiError, EngineFailed

log = logging.getLogger(__name__)

Tagged = tuple[str, Event]


class StepFailed(Exception):
    """A step has failed; the requests `ids` are out of the pipeline, which works again."""

    def __init__(self, ids: frozenset[str]) -> None:
        super().__init__(f"{len(ids)} requests lost")
        self.ids = ids


@dataclass(slots=True, eq=False)
class _Running:
    """A request inside the pipeline. Dropping `handle` would stop it."""

    prepared: PreparedRequest
    handle: Any
    output_processor: OutputProcessor
    echoed: bool
    begun: bool = False

    @property
    def id(self) -> str:
        return self.prepared.request.id


class Batcher:
    """`build` makes the pipeline, again if it breaks.

    At most `max_running` sequences run at a time. While any do, a prompt of more than
    `max_batched_tokens` enters in pieces, see `ChunkedPrefill`, and shorter ones may overtake it.

    `submit` and `cancel` only take note; `step` does the work and gives the events of all.
    """

    def __init__(
        self,
        genai: Any,
        build: Callable[[], Any],
        input_processor: InputProcessor,
        spec: EngineSpec,
    ) -> None:
        self._genai = genai
        self._build = build
        self.input_processor = input_processor
        self._max_running = spec.max_running
        self._chunk = spec.batched_tokens
        reasons = genai.GenerationFinishReason
        # by number: the binding takes a microsecond to compare two members, for every token
        self._reasons: dict[int, FinishReason | None] = {
            reasons.NONE.value: None,
            reasons.LENGTH.value: "length",
        }
        self._throttle = PrefillThrottle(spec.max_slowdown)
        self._prefill: ChunkedPrefill | None = None
        self._pipeline = build()
        self._numbers = itertools.count()
        self._waiting: dict[str, PreparedRequest] = {}
        self._running: dict[str, _Running] = {}
        self._entered: deque[_Running] = deque()  # in the pipeline, and in no step yet
        self._events: deque[Tagged] = deque()
        self._settled = True

    @property
    def busy(self) -> bool:
        """There is something for `step` to do."""
        waiting = self._waiting or self._prefill is not None
        return bool(self._running or waiting or self._events) or not self._settled

    @property
    def stats(self) -> EngineStats:
        # the pipeline's figure is that of its last step, which may have been long ago
        usage = self._pipeline.get_metrics().cache_usage / 100 if self._running else 0.0
        prefill = int(self._prefill is not None)
        return EngineStats(len(self._running) + prefill, len(self._waiting), usage)

    def submit(self, request: GenerateRequest, given: tuple[int, ...] = ()) -> None:
        """Queue the request. Its Accepted or Failed comes with the next step."""
        try:
            prepared = self.input_processor.prepare(request, given)
        except ApiError as error:
            self._events.append((request.id, Failed(error)))
            return
        except Exception:
            log.exception("failed to prepare the request")
            self._fail(request.id, "The request could not be prepared.")
            return
        self._waiting[request.id] = prepared
        self._events.append((request.id, Accepted(len(prepared.ids))))

    def cancel(self, request_id: str) -> None:
        self._waiting.pop(request_id, None)
        if self._prefill is not None and self._prefill.prepared.request.id == request_id:
            self._stop_entering()
        running = self._running.get(request_id)
        if running is not None:
            self._drop(running)

    def step(self) -> list[Tagged]:
        """Admit who fits, take one step, and give the events since the last one.

        Raises StepFailed when a step broke the pipeline and it has been mended: every request is
        out of it then and has to be submitted again. Raises something else if it is beyond repair.
        """
        try:
            self._enter()
            self._admit()
            self._step()
        except Exception as error:
            raise StepFailed(self._recover(error)) from error
        events = list(self._events)
        self._events.clear()
        return events

    def _step(self) -> None:
        # a step without requests frees the blocks of those that were cancelled
        if self._running or self._has_piece or not self._settled:
            self._settled = not self._running
            began = time.monotonic()
            self._pipeline.step()
            if self._entered:
                self._note_started(began)
            self._note_pace(began)
        for running in list(self._running.values()):
            self._collect(running)

    def _admit(self) -> None:
        """First come, first served; a wide beam search waits for its turn like everybody.

        A long prompt waits for the one that enters, and only those like it wait for it.
        """
        if not self._waiting:
            return
        room = self._max_running - sum(running.prepared.width for running in self._running.values())
        room -= self._prefill is not None
        for prepared in list(self._waiting.values()):
            long = self._is_long(prepared)
            if long and self._prefill is not None:
                continue
            room -= prepared.width
            if room < 0 and self._running:
                return
            del self._waiting[prepared.request.id]
            if long:
                self._prefill = ChunkedPrefill(prepared, self._chunk)
            else:
                self._add(prepared)

    def _is_long(self, prepared: PreparedRequest) -> bool:
        """Whether it would hold up others; log-probabilities of a prompt take it in one piece."""
        tokens = len(prepared.ids) + len(prepared.given)
        one = prepared.width == 1 and not prepared.echoes_logprobs
        return bool(self._running) and one and tokens > self._chunk

    def _enter(self) -> None:
        """Give the pipeline the next piece of the prompt that enters, if it is time for it."""
        prefill = self._prefill
        if prefill is None or prefill.handle is not None:
            return
        piece = None
        if self._running:
            if not self._throttle.ready:
                return
            piece = prefill.next_piece(len(self._running))
        self._throttle.begin()
        if piece is None:
            self._prefill = None
            self._add(prefill.prepared, prefill.started)
        else:
            prefill.handle = self._add_single(piece)

    def _note_pace(self, began: float) -> None:
        """What the last step was for, and how long it took."""
        seconds = time.monotonic() - began
        begun = sum(running.begun for running in self._running.values())
        if self._prefill is not None and self._has_piece:
            self._collect_piece(self._prefill, began, seconds)
        elif begun and begun == len(self._running):
            self._throttle.decoded(seconds)
        elif begun:
            self._throttle.prefilled(seconds)

    def _collect_piece(self, prefill: ChunkedPrefill, began: float, seconds: float) -> None:
        self._throttle.prefilled(seconds)
        if not prefill.started:
            self._events.append((prefill.prepared.request.id, Started(began)))
            prefill.started = True
        if prefill.handle.can_read():
            prefill.handle.read()
            prefill.entered(self._throttle.is_cheap(seconds))
        elif prefill.handle.get_status() != self._genai.GenerationStatus.RUNNING:
            # the cache is full: the whole prompt must fare as any other does
            self._prefill = None
            self._add(prefill.prepared, started=True)

    @property
    def _has_piece(self) -> bool:
        """A piece of a prompt is in the pipeline."""
        return self._prefill is not None and self._prefill.handle is not None

    def _stop_entering(self) -> None:
        assert self._prefill is not None
        if self._prefill.handle is not None:
            self._prefill.handle.cancel()
            self._settled = False
        self._prefill = None

    def _add(self, prepared: PreparedRequest, started: bool = False) -> None:
        output_processor = self.input_processor.output_processor(prepared)
        running = _Running(prepared, None, output_processor, echoed=bool(prepared.given))
        try:
            config = sampling.make_config(
                self._genai,
                prepared.left,
                self.input_processor.eos_ids,
                prepared.limit - len(prepared.given),
                echo=prepared.echoes_logprobs,
            )
            assist(config, self.input_processor.speculation)
            ids = _tensor([*prepared.ids, *prepared.given])
            running.handle = self._pipeline.add_request(next(self._numbers), ids, config)
        except Exception:
            with logs.about(prepared.request.names):
                log.exception("the pipeline rejected the request")
            self._fail(running.id, "The engine rejected the request.")
            return
        self._running[running.id] = running
        if not started:
            self._entered.append(running)

    def _add_single(self, ids: list[int]) -> Any:
        """A request for one token."""
        config = self._genai.GenerationConfig()
        config.max_new_tokens = 1
        assist(config, self.input_processor.speculation)
        return self._pipeline.add_request(next(self._numbers), _tensor(ids), config)

    def _note_started(self, began: float) -> None:
        """Tell which requests were in a step for the first time.

        The pipeline says how many requests the step was of: it takes those that decode first, then
        prompts in the order of their arrival, as far as `max_num_batched_tokens` goes.
        """
        old = len(self._running) - len(self._entered)
        new = self._pipeline.get_metrics().scheduled_requests - old - self._has_piece
        while self._entered and (new > 0 or self._entered[0].handle.can_read()):
            self._events.append((self._entered.popleft().id, Started(began)))
            new -= 1

    def _collect(self, running: _Running) -> None:
        """Read what the last step made for this request; `read` would block without output."""
        if running.handle.can_read():
            outputs = running.handle.read()
            running.begun = True
            if running.prepared.request.sampling.beams is None:
                self._take(running, next(iter(outputs.values())))
            else:
                self._take_beams(running, outputs.values())
        elif running.handle.get_status() != self._genai.GenerationStatus.RUNNING:
            with logs.about(running.prepared.request.names):
                log.warning("KV cache exhausted, the request fails")
            self._drop(running)
            self._fail(running.id, "The engine ran out of KV cache for this request.")

    def _take(self, running: _Running, output: Any) -> None:
        ids: list[int] = output.generated_ids
        logprobs: list[float] = output.generated_log_probs
        if running.prepared.request.echo and not running.echoed:
            ids, logprobs = self._echo(running, running.output_processor, ids, logprobs)
            running.echoed = True
        events = running.output_processor.take(ids, logprobs, self._reason(output))
        self._events.extend((running.id, event) for event in events)
        if running.output_processor.ended:
            self._drop(running)

    def _take_beams(self, running: _Running, outputs: Any) -> None:
        """All beams come at once, at the end, in no order and more than were asked for."""
        prepared = running.prepared
        beams = prepared.request.sampling.beams
        assert beams is not None
        best = sorted(outputs, key=lambda output: output.score, reverse=True)[: beams.results]
        for index, output in enumerate(best):
            output_processor = self.input_processor.output_processor(prepared, index)
            ids, logprobs = output.generated_ids, output.generated_log_probs
            if prepared.request.echo:
                ids, logprobs = self._echo(running, output_processor, ids, logprobs)
            reason = self._reason(output) or "length"
            for event in output_processor.take(ids, logprobs, reason):
                self._events.append((running.id, event))
        self._drop(running)

    def _echo(
        self,
        running: _Running,
        output_processor: OutputProcessor,
        ids: list[int],
        logprobs: list[float],
    ) -> tuple[list[int], list[float]]:
        """Give the prompt; return what was generated. Both are in the first output together."""
        prepared = running.prepared
        known: list[float] = []
        if prepared.echoes_logprobs:
            ids = ids[len(prepared.ids) :]
            border = len(logprobs) - len(ids)
            known, logprobs = logprobs[:border], logprobs[border:]
        echo = output_processor.echo(prepared.echo, prepared.ids, known)
        self._events.append((running.id, echo))
        return ids, logprobs

    def _reason(self, output: Any) -> FinishReason | None:
        reason: int = output.finish_reason.value
        return self._reasons.get(reason, "stop")

    def _drop(self, running: _Running) -> None:
        """Take a request out of the pipeline, finished or not; the next step frees its blocks."""
        running.handle.cancel()
        del self._running[running.id]
        if running in self._entered:
            self._entered.remove(running)
        self._settled = False

    def _fail(self, request_id: str, message: str) -> None:
        self._events.append((request_id, Failed(EngineFailed(message))))

    def _recover(self, error: Exception) -> frozenset[str]:
        """A step that raised leaves the pipeline useless: clear it, or build it again.

        Returns the ids of all requests that were here, those with undelivered events too.
        """
        log.error("step failed with %d requests running: %s", len(self._running), error)
        lost = frozenset((*self._running, *self._waiting, *(id for id, _ in self._events)))
        if self._prefill is not None:
            lost |= {self._prefill.prepared.request.id}
            self._stop_entering()
        for running in list(self._running.values()):
            self._drop(running)
        self._waiting.clear()
        self._events.clear()
        self._settled = True
        if not self._works():
            log.error("pipeline broken, rebuilding it")
            self._pipeline = None
            self._pipeline = self._build()
        return lost

    def _works(self) -> bool:
        """One step clears the cancelled requests; then a token must come out."""
        try:
            self._pipeline.step()
            return self.probe()
        except Exception as error:  # noqa: BLE001 any failure means that it does not work
            log.error("pipeline did not recover: %s", error)
            return False

    def probe(self) -> bool:
        """Whether the pipeline gives a real token. Only while nothing else runs."""
        handle = self._add_single([0])
        self._pipeline.step()
        return bool(handle.can_read())


def _tensor(ids: list[int]) -> Any:
    import numpy
    import openvino

    return openvino.Tensor(numpy.array([ids], dtype=numpy.int64))
