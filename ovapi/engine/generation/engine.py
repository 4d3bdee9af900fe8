"""ProcessEngine: an engine whose child generates, as the server process holds it."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any

from ovapi import logs
from ovapi.core import Delta, Event, Failed, GenerateRequest, Prompt, Sink
from ovapi.engine.base import EngineInfo, EngineSpec, EngineState, EngineStats, Post, unavailable
from ovapi.engine.generation.in_flight import CRASHED, KILLED, InFlight, InFlightRequests
from ovapi.engine.generation.in_flight_generation import InFlightGeneration
from ovapi.engine.generation.in_flight_tokenization import InFlightTokenization
from ovapi.engine.generation.messages import (
    Cancel,
    Detokenize,
    Reply,
    RequestsLost,
    StepReport,
    Tokenize,
)
from ovapi.engine.generation.shared_prompts import SharedPrompts
from ovapi.engine.process.supervisor import Supervisor
from ovapi.engine.text.prompt_limits import TOKENIZED_CONTEXTS, check_prompt, check_text
from ovapi.errors import ApiError, DeadlineExceeded, Draining, ModelFailed


class ProcessEngine:
    """See `ovapi.engine.base.Engine`, and `Owner` for what begins with `on_`.

    When its process dies or stalls, another takes over, and what is in flight goes on in that one
    where it was (see `InFlightRequests`). All of it belongs to the event loop's thread.
    """

    def __init__(self, spec: EngineSpec, post: Post) -> None:
        self.kind = spec.kind
        self.state = EngineState("unloaded")
        self.stats = EngineStats()
        self.on_state: Callable[[EngineState], None] = lambda state: None
        self._spec = spec
        self._supervisor = Supervisor(spec, post, self)
        self._prompts = SharedPrompts(self._supervisor.send)
        self._in_flight = InFlightRequests()
        self._info: EngineInfo | None = None
        self._numbers = itertools.count()
        self._flushing = False
        self._proven = False
        """The present child has done enough to be replaced at once if it dies."""
        self._closing = False

    def start(self) -> None:
        self._set_state(EngineState("loading"))
        self._supervisor.start()

    def submit(self, request: GenerateRequest, sink: Sink) -> None:
        try:
            self._check_open()
            if self._info is not None:
                check_prompt(request.prompt, request.truncate_prompt_tokens, self._info)
        except ApiError as error:
            sink(Failed(error))
            return
        self._add(InFlightGeneration(request, sink))

    def _check_open(self) -> None:
        """Raise unless there is a child that takes requests, or soon will be."""
        if self._closing:
            raise Draining("The server is shutting down.")
        if self.state.status not in ("ready", "restarting"):
            raise unavailable(self._spec.name, self.state)

    def _add(self, live: InFlight) -> None:
        if not self._in_flight:
            self._supervisor.expect_report()
        self._in_flight.add(live)
        self._submit_soon()

    def _submit_soon(self) -> None:
        """Submit once all are here that come together, so that they can share a prompt."""
        if not self._flushing:
            self._flushing = True
            asyncio.get_running_loop().call_soon(self._submit)

    def _submit(self) -> None:
        """Give the child those requests that it does not have, as far as they may run now."""
        self._flushing = False
        if not self._supervisor.ready:
            return
        lives = self._in_flight.resubmit()
        self._prompts.submit(live for live in lives if isinstance(live, InFlightGeneration))
        for live in lives:
            if isinstance(live, InFlightTokenization):
                self._supervisor.send(live.command)

    def cancel(self, request_id: str) -> None:
        live = self._in_flight.remove(request_id)
        if live is None:
            return
        if live.submitted:
            self._supervisor.send(Cancel(request_id))
            self._prompts.ended(request_id)
        self._submit_soon()

    async def tokenize(
        self,
        prompt: Prompt,
        add_special_tokens: bool = True,
        caller: str = "",
        deadline: float | None = None,
    ) -> tuple[int, ...]:
        if self._info is not None:
            check_text(prompt, self._info, TOKENIZED_CONTEXTS)
        name = f"tokenize-{next(self._numbers)}"
        command = Tokenize(name, caller, logs.subject(), prompt, add_special_tokens)
        ids = await self._ask(command, deadline)
        assert isinstance(ids, tuple)
        return ids

    async def detokenize(
        self, ids: Sequence[int], caller: str = "", deadline: float | None = None
    ) -> str:
        name = f"detokenize-{next(self._numbers)}"
        text = await self._ask(Detokenize(name, caller, logs.subject(), tuple(ids)), deadline)
        assert isinstance(text, str)
        return text

    async def _ask(
        self, command: Tokenize | Detokenize, deadline: float | None
    ) -> tuple[int, ...] | str:
        """Raises the child's ApiErrors, and DeadlineExceeded at `deadline`, a time of the loop."""
        self._check_open()
        answer: asyncio.Future[tuple[int, ...] | str] = asyncio.get_running_loop().create_future()
        self._add(InFlightTokenization(command, answer))
        try:
            async with asyncio.timeout_at(deadline):
                return await answer
        except TimeoutError:
            raise DeadlineExceeded("Request deadline exceeded.") from None
        finally:
            self.cancel(command.request_id)

    async def close(self) -> None:
        self._closing = True
        self._in_flight.fail(Draining("The server is shutting down."))
        await self._supervisor.close()
        self._set_state(EngineState("stopped"))

    def _set_state(self, state: EngineState) -> None:
        self.state = state
        self.on_state(state)

    @property
    def pending(self) -> bool:
        return bool(self._in_flight)

    def on_ready(self, info: EngineInfo) -> None:
        self._info = info
        self._proven = False
        self._set_state(EngineState("ready", info=info))
        self._submit()

    def on_report(self, report: Any) -> None:
        match report:
            case StepReport(events, stats):
                self.stats = stats
                if not self._proven:
                    self._supervisor.note_work(_tokens(events))
                    self._proven = self._supervisor.proven
                self._deliver(events)
            case RequestsLost(ids):
                self._in_flight.crashed(ids)
                self._forget_prompts(ids)
                self._submit()
            case Reply(request_id, result):
                self._supervisor.note_work(1)
                self._deliver([(request_id, result)])

    def _deliver(self, events: Iterable[tuple[str, Any]]) -> None:
        # every event is delivered before any suspect is let in
        cleared = False
        for request_id, event in events:
            cleared |= self._in_flight.deliver(request_id, event)
            if not isinstance(event, Delta):
                self._forget_prompts((request_id,))
        if cleared:
            self._submit()

    def _forget_prompts(self, ids: Iterable[str]) -> None:
        """Let go what only those had that are no more in flight."""
        for request_id in ids:
            if request_id not in self._in_flight:
                self._prompts.ended(request_id)

    @property
    def _facts(self) -> EngineInfo | None:
        """What is known of the model while it has no process."""
        return replace(self._info, pid=None) if self._info is not None else None

    def on_failed(self, detail: str) -> None:
        self._set_state(EngineState("failed", detail))
        self._in_flight.fail(ModelFailed(f"The model can no longer be loaded: {detail}"))

    def on_died(self, killed: bool) -> None:
        self.stats = EngineStats()
        self._prompts.clear()
        if self.state.status in ("ready", "restarting"):
            self._set_state(EngineState("restarting", "the engine is restarting", self._facts))
        self._in_flight.crashed(proof=KILLED if killed else CRASHED)


def _tokens(events: Iterable[tuple[str, Event]]) -> int:
    return sum(len(event.token_ids) for _, event in events if isinstance(event, Delta))
