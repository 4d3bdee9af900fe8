"""ProcessEngine: the parent side of an engine process. Nothing here imports OpenVINO.

The event loop reads and writes the `AsyncChannel`, and everything here belongs to its thread, but
for the supervisor: a thread that spawns the child, looks whether it stalls, and reaps it.

The supervisor is a daemon and no thread of an executor, for whose threads the interpreter waits
when it exits: without `close` that would be for ever. The kernel ends the child with its thread.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import signal
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from functools import partial

from ovapi import logs
from ovapi.core import Failed, GenerateRequest, Prompt, Sink
from ovapi.engine.base import EngineSpec, EngineState, EngineStats, Post
from ovapi.engine.process.async_channel import AsyncChannel
from ovapi.engine.process.backoff import Backoff
from ovapi.engine.process.child import Child
from ovapi.engine.process.in_flight import InFlightRequests
from ovapi.engine.process.messages import (
    Cancel,
    Detokenize,
    LoadFailed,
    LoadModel,
    Ready,
    Reply,
    Report,
    RequestsLost,
    StepReport,
    Stop,
    Submit,
    Tokenize,
)
from ovapi.errors import ApiError, Draining, EngineFailed, ModelFailed, ModelLoading

log = logging.getLogger(__name__)

_STOP_SECONDS = 3.0
_LOOK_SECONDS = 1.0


class ProcessEngine:
    """See `ovapi.engine.base.Engine`. When its process dies or stalls, another takes over.

    Requests in flight go on in the new one where they were (see `InFlightRequests`).
    """

    kind = "batching"

    def __init__(self, spec: EngineSpec, post: Post) -> None:
        self.state = EngineState("unloaded")
        self.stats = EngineStats()
        self.on_state: Callable[[EngineState], None] = lambda state: None
        self._spec = spec
        self._post = post
        self._in_flight = InFlightRequests()
        # since when a report is due
        self._waiting_since = time.monotonic()
        self._backoff = Backoff()
        self._answers: dict[int, asyncio.Future[tuple[int, ...] | str]] = {}
        self._numbers = itertools.count()
        self._child: Child | None = None  # set by the supervisor, unset by the loop
        self._closing = threading.Event()
        self._supervisor: Future[None] | None = None  # done when its thread is

    # -- the loop's thread ---------------------------------------------------------------------

    def start(self) -> None:
        self._set_state(EngineState("loading"))
        self._supervisor = Future()
        threading.Thread(
            target=self._supervise, args=(self._supervisor,), name="ovapi-supervisor", daemon=True
        ).start()

    def submit(self, request: GenerateRequest, sink: Sink) -> None:
        if self._closing.is_set():
            sink(Failed(Draining("The server is shutting down.")))
            return
        if self.state.status not in ("ready", "restarting"):
            sink(Failed(ModelLoading(f"The model '{self._spec.name}' is not ready.")))
            return
        if not self._in_flight:
            self._waiting_since = time.monotonic()
        self._in_flight.add(request, sink)
        self._submit()

    def _submit(self) -> None:
        """Give the child those requests that it does not have, as far as they may run now."""
        channel = self._channel
        if self.state.status != "ready" or channel is None:
            return
        for live in self._in_flight.resubmit():
            channel.send(Submit(live.request, tuple(live.given)))

    @property
    def _channel(self) -> AsyncChannel | None:
        return self._child.channel if self._child is not None else None

    def cancel(self, request_id: str) -> None:
        channel = self._channel
        if self._in_flight.remove(request_id) and channel is not None:
            channel.send(Cancel(request_id))
            self._submit()

    async def tokenize(self, prompt: Prompt, add_special_tokens: bool = True) -> tuple[int, ...]:
        number = next(self._numbers)
        ids = await self._ask(number, Tokenize(number, logs.subject(), prompt, add_special_tokens))
        assert isinstance(ids, tuple)
        return ids

    async def detokenize(self, ids: Sequence[int]) -> str:
        number = next(self._numbers)
        text = await self._ask(number, Detokenize(number, logs.subject(), tuple(ids)))
        assert isinstance(text, str)
        return text

    async def _ask(self, number: int, command: Tokenize | Detokenize) -> tuple[int, ...] | str:
        channel = self._channel
        if self.state.status != "ready" or channel is None:
            raise ModelLoading(f"The model '{self._spec.name}' is not ready.")
        answer: asyncio.Future[tuple[int, ...] | str] = asyncio.get_running_loop().create_future()
        self._answers[number] = answer
        channel.send(command)
        try:
            return await answer
        finally:
            del self._answers[number]

    async def close(self) -> None:
        """Ask the child to stop, and kill it if it does not within a few seconds."""
        self._closing.set()
        self._fail_all(Draining("The server is shutting down."))
        if self._supervisor is not None:
            await self._end(asyncio.wrap_future(self._supervisor))
        self._set_state(EngineState("stopped"))

    async def _end(self, supervisor: asyncio.Future[None]) -> None:
        channel = self._channel
        if channel is not None and self.state.status == "ready":
            channel.send(Stop())
            await asyncio.wait((supervisor,), timeout=_STOP_SECONDS)
        while not supervisor.done():
            # a child that is loading, or in a long step, hears nothing
            if self._child is not None:
                self._child.kill()
            await asyncio.wait((supervisor,), timeout=0.1)
        supervisor.result()

    def _set_state(self, state: EngineState) -> None:
        self.state = state
        self.on_state(state)

    def _born(self, child: Child) -> None:
        """A process runs: listen to it, and tell it what to serve."""
        child.channel = AsyncChannel(
            child.end, partial(self._receive, child), partial(self._ended, child)
        )
        child.channel.send(LoadModel(self._spec))

    def _ended(self, child: Child) -> None:
        """The child has said its last; the supervisor sees to the rest."""
        self._child = None
        child.ended.set()

    def _receive(self, child: Child, report: Report) -> None:
        """A message of the child has arrived."""
        self._waiting_since = time.monotonic()
        self._backoff.saw(report)
        match report:
            case StepReport(events, stats):
                self.stats = stats
                # every event is delivered before any suspect is let in
                cleared = [self._in_flight.deliver(*tagged) for tagged in events]
                if any(cleared):
                    self._submit()
            case RequestsLost(ids):
                self._in_flight.crashed(ids)
                self._submit()
            case Reply(number, result):
                self._answer(number, result)
            case Ready(info):
                child.state = "ready"
                if not self._closing.is_set():
                    self._set_state(EngineState("ready", info=info))
                    self._submit()
            case LoadFailed(detail):
                child.state = "failed"
                self._set_state(EngineState("failed", detail))
                self._fail_all(ModelFailed(f"The model can no longer be loaded: {detail}"))

    def _answer(self, number: int, result: tuple[int, ...] | str | ApiError) -> None:
        answer = self._answers.get(number)
        if answer is None or answer.done():
            return
        if isinstance(result, ApiError):
            answer.set_exception(result)
        else:
            answer.set_result(result)

    def _died(self, status: int) -> None:
        """The child is gone; its requests wait for the next one."""
        if self._closing.is_set():
            return
        log.error("engine process of %s exited: %s", self._spec.name, _cause(status))
        self.stats = EngineStats()
        if self.state.status in ("ready", "restarting"):
            self._set_state(EngineState("restarting", "the engine is restarting"))
        self._in_flight.crashed()
        self._fail_answers(EngineFailed("The engine stopped unexpectedly. Please try again."))

    def _fail_all(self, error: ApiError) -> None:
        self._in_flight.fail(error)
        self._fail_answers(error)

    def _fail_answers(self, error: ApiError) -> None:
        for answer in self._answers.values():
            if not answer.done():
                answer.set_exception(error)

    # -- the supervisor's thread ---------------------------------------------------------------

    def _supervise(self, done: Future[None]) -> None:
        """Keep a child alive until `close`; then leave none behind."""
        try:
            self._keep_one_alive()
        finally:
            done.set_result(None)

    def _keep_one_alive(self) -> None:
        while not self._closing.is_set():
            self._backoff.born()
            self._live_once()
            self._closing.wait(self._backoff.died())

    def _live_once(self) -> None:
        """One child's life."""
        self._waiting_since = time.monotonic()
        try:
            self._child = child = Child(self._spec)
        except OSError as error:
            log.error("cannot start an engine process for %s: %s", self._spec.name, error)
            return
        self._post(self._born, child)
        while not child.ended.wait(_LOOK_SECONDS):
            self._look(child)
        status = child.reap()
        if child.state != "failed":
            self._post(self._died, status)

    def _look(self, child: Child) -> None:
        """Kill the child if it has work and says nothing."""
        loading = child.state == "loading"
        patience = self._spec.load_seconds if loading else self._spec.stall_seconds
        silent = time.monotonic() - self._waiting_since
        if silent > patience and (self._in_flight or loading) and not child.speaks:
            log.error("engine process of %s silent for %.0f s, killing it", self._spec.name, silent)
            child.kill()


def _cause(status: int) -> str:
    """Of a process's end, as people know it: a signal's name or an exit status."""
    known = {-one.value: one.name for one in signal.Signals}
    return known.get(status, f"exit status {status}")
