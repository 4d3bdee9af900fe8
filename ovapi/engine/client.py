"""ProcessEngine: the parent side of an engine process. Nothing here imports OpenVINO.

Two threads meet: the supervisor owns the child from spawn to reaping and reads the pipe;
everything else belongs to the event loop's thread. The supervisor hands over what it reads by
`post`, one call a message; the loop's side sends commands through the child's queue, which never
blocks.

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

from ovapi import logs
from ovapi.core import Failed, GenerateRequest, Prompt, Sink
from ovapi.engine.backoff import Backoff
from ovapi.engine.base import EngineSpec, EngineState, EngineStats, Post
from ovapi.engine.child import Child
from ovapi.engine.protocol import (
    Answer,
    Cancel,
    Detokenize,
    Emptied,
    LoadFailed,
    Ready,
    Report,
    Stepped,
    Submit,
    Tokenize,
)
from ovapi.engine.roster import Roster
from ovapi.errors import ApiError, Draining, EngineFailed, ModelFailed, ModelLoading

log = logging.getLogger(__name__)

_STOP_SECONDS = 3.0
_LOOK_SECONDS = 1.0


class ProcessEngine:
    """See `ovapi.engine.base.Engine`. When its process dies or stalls, another takes over.

    Requests in hand are submitted to the new one and go on where they were (see `Roster`).
    """

    kind = "batching"

    def __init__(self, spec: EngineSpec, post: Post) -> None:
        self.state = EngineState("unloaded")
        self.stats = EngineStats()
        self.on_state: Callable[[EngineState], None] = lambda state: None
        self._spec = spec
        self._post = post
        self._roster = Roster()
        # since when a report is due; the loop writes it too, where work comes after idleness
        self._waiting_since = time.monotonic()
        self._answers: dict[int, asyncio.Future[tuple[int, ...] | str]] = {}
        self._numbers = itertools.count()
        self._child: Child | None = None  # set by the supervisor, read by the loop
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
        if not self._roster:
            self._waiting_since = time.monotonic()
        self._roster.add(request, sink)
        self._submit()

    def _submit(self) -> None:
        """Give the child those requests that it does not have, as far as they may run now."""
        if self.state.status != "ready" or self._child is None:
            return
        for live in self._roster.resubmit():
            self._child.send(Submit(live.request, tuple(live.given)))

    def cancel(self, request_id: str) -> None:
        if self._roster.remove(request_id) and self._child is not None:
            self._child.send(Cancel(request_id))
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
        if self.state.status != "ready" or self._child is None:
            raise ModelLoading(f"The model '{self._spec.name}' is not ready.")
        answer: asyncio.Future[tuple[int, ...] | str] = asyncio.get_running_loop().create_future()
        self._answers[number] = answer
        self._child.send(command)
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
        if self._child is not None and self.state.status == "ready":
            self._child.stop()
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

    def _receive(self, report: Report) -> None:
        """A message of the child has arrived."""
        match report:
            case Stepped(events, stats):
                self.stats = stats
                # every event is delivered before any suspect is let in
                cleared = [self._roster.deliver(*tagged) for tagged in events]
                if any(cleared):
                    self._submit()
            case Emptied(ids):
                self._roster.crashed(ids)
                self._submit()
            case Answer(number, result):
                self._answer(number, result)
            case Ready(info) if not self._closing.is_set():
                self._set_state(EngineState("ready", info=info))
                self._submit()
            case LoadFailed(detail):
                self._set_state(EngineState("failed", detail))
                self._fail_all(ModelFailed(f"The model cannot be loaded any more: {detail}"))

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
        log.error("engine process of %s has ended: %s", self._spec.name, _cause(status))
        self.stats = EngineStats()
        if self.state.status in ("ready", "restarting"):
            self._set_state(EngineState("restarting", "the engine is being restarted"))
        self._roster.crashed()
        self._fail_answers(EngineFailed("The engine stopped unexpectedly. Please try again."))

    def _fail_all(self, error: ApiError) -> None:
        self._roster.fail(error)
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
        backoff = Backoff()
        while not self._closing.is_set():
            backoff.born()
            self._live_once(backoff)
            self._closing.wait(backoff.died())

    def _live_once(self, backoff: Backoff) -> None:
        """One child's life."""
        try:
            self._child = child = Child(self._spec)
        except OSError as error:
            log.error("no engine process for %s: %s", self._spec.name, error)
            return
        loads = self._relay(child, backoff)
        self._child = None
        status = child.reap()
        if loads:
            self._post(self._died, status)

    def _relay(self, child: Child, backoff: Backoff) -> bool:
        """Hand each report to the loop, until the child's end; false after LoadFailed."""
        loads, loaded = True, False
        try:
            while True:
                self._await_report(child, loaded)
                report = child.receive()
                backoff.saw(report)
                loaded = loaded or isinstance(report, Ready)
                loads = loads and not isinstance(report, LoadFailed)
                self._post(self._receive, report)
        except EOFError:
            return loads

    def _await_report(self, child: Child, loaded: bool) -> None:
        """Wait until the child has something to say; kill it if it has work and says nothing."""
        patience = self._spec.stall_seconds if loaded else self._spec.load_seconds
        self._waiting_since = time.monotonic()
        while not child.poll(_LOOK_SECONDS):
            silent = time.monotonic() - self._waiting_since
            if silent > patience and (self._roster or not loaded):
                log.error("engine process of %s silent for %.0f s: killed", self._spec.name, silent)
                child.kill()
                return


def _cause(status: int) -> str:
    """Of a process's end, as people know it: a signal's name or an exit status."""
    known = {-one.value: one.name for one in signal.Signals}
    return known.get(status, f"exit status {status}")
