"""ProcessEngine: an engine whose child generates, as the server process holds it."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from ovapi import logs
from ovapi.core import Delta, Event, Failed, GenerateRequest, Prompt, Sink
from ovapi.engine.base import EngineInfo, EngineSpec, EngineState, EngineStats, Post
from ovapi.engine.generation.in_flight import InFlightRequests
from ovapi.engine.generation.messages import (
    Cancel,
    Detokenize,
    Reply,
    RequestsLost,
    StepReport,
    Submit,
    Tokenize,
)
from ovapi.engine.process.supervisor import Supervisor
from ovapi.errors import ApiError, Draining, EngineFailed, ModelFailed, ModelLoading


class ProcessEngine:
    """See `ovapi.engine.base.Engine`, and `Owner` for what begins with `on_`.

    When its process dies or stalls, another takes over, and the requests in flight go on in that
    one where they were (see `InFlightRequests`). All of it belongs to the event loop's thread.
    """

    def __init__(self, spec: EngineSpec, post: Post) -> None:
        self.kind = spec.kind
        self.state = EngineState("unloaded")
        self.stats = EngineStats()
        self.on_state: Callable[[EngineState], None] = lambda state: None
        self._spec = spec
        self._supervisor = Supervisor(spec, post, self)
        self._in_flight = InFlightRequests()
        self._answers: dict[int, asyncio.Future[tuple[int, ...] | str]] = {}
        self._numbers = itertools.count()
        self._closing = False

    def start(self) -> None:
        self._set_state(EngineState("loading"))
        self._supervisor.start()

    def submit(self, request: GenerateRequest, sink: Sink) -> None:
        if self._closing:
            sink(Failed(Draining("The server is shutting down.")))
            return
        if self.state.status not in ("ready", "restarting"):
            sink(Failed(ModelLoading(f"The model '{self._spec.name}' is not ready.")))
            return
        if not self._in_flight:
            self._supervisor.expect_report()
        self._in_flight.add(request, sink)
        self._submit()

    def _submit(self) -> None:
        """Give the child those requests that it does not have, as far as they may run now."""
        if not self._supervisor.ready:
            return
        for live in self._in_flight.resubmit():
            self._supervisor.send(Submit(live.request, tuple(live.given)))

    def cancel(self, request_id: str) -> None:
        if self._in_flight.remove(request_id):
            self._supervisor.send(Cancel(request_id))
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
        if not self._supervisor.ready:
            raise ModelLoading(f"The model '{self._spec.name}' is not ready.")
        answer: asyncio.Future[tuple[int, ...] | str] = asyncio.get_running_loop().create_future()
        self._answers[number] = answer
        self._supervisor.send(command)
        try:
            return await answer
        finally:
            del self._answers[number]

    async def close(self) -> None:
        self._closing = True
        self._fail_all(Draining("The server is shutting down."))
        await self._supervisor.close()
        self._set_state(EngineState("stopped"))

    def _set_state(self, state: EngineState) -> None:
        self.state = state
        self.on_state(state)

    @property
    def pending(self) -> bool:
        return bool(self._in_flight)

    def on_ready(self, info: EngineInfo) -> None:
        self._set_state(EngineState("ready", info=info))
        self._submit()

    def on_report(self, report: Any) -> None:
        match report:
            case StepReport(events, stats):
                self.stats = stats
                self._deliver(events)
            case RequestsLost(ids):
                self._in_flight.crashed(ids)
                self._submit()
            case Reply(number, result):
                self._answer(number, result)

    def _deliver(self, events: Iterable[tuple[str, Event]]) -> None:
        if not self._supervisor.proven:
            self._supervisor.note_work(_tokens(events))
        # every event is delivered before any suspect is let in
        cleared = [self._in_flight.deliver(*tagged) for tagged in events]
        if any(cleared):
            self._submit()

    def _answer(self, number: int, result: tuple[int, ...] | str | ApiError) -> None:
        answer = self._answers.get(number)
        if answer is None or answer.done():
            return
        if isinstance(result, ApiError):
            answer.set_exception(result)
        else:
            answer.set_result(result)

    def on_failed(self, detail: str) -> None:
        self._set_state(EngineState("failed", detail))
        self._fail_all(ModelFailed(f"The model can no longer be loaded: {detail}"))

    def on_died(self) -> None:
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


def _tokens(events: Iterable[tuple[str, Event]]) -> int:
    return sum(len(event.token_ids) for _, event in events if isinstance(event, Delta))
