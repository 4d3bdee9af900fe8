"""Driver: a real engine in a test's hands, and Answer: all the events of one request."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from bench.server_process import TOKEN_BYTES as TOKEN_BYTES
from ovapi.core import (
    Accepted,
    ChatPrompt,
    Delta,
    Event,
    Failed,
    Finished,
    GenerateRequest,
    Message,
    Prompt,
    SamplingParams,
)
from ovapi.engine.base import Engine, EngineSpec
from ovapi.engine.factory import make_engine
from ovapi.errors import ApiError

DEMO = Path(__file__).resolve().parents[2] / "models" / "ovapi-demo"
SECONDS = 60


def chat(*texts: str, **fields: Any) -> ChatPrompt:
    """A conversation of user and assistant, in turns."""
    roles = itertools.cycle(("user", "assistant"))
    messages = tuple(Message(role, text) for role, text in zip(roles, texts, strict=False))
    return ChatPrompt(messages, **fields)


class Answer:
    """The events of one request, as its sink got them."""

    def __init__(self, engine: Engine, request: GenerateRequest) -> None:
        self.events: list[Event] = []
        self.id = request.id
        self._engine = engine
        self._changed = asyncio.Event()
        self._open = request.choices
        engine.submit(request, self._put)

    def _put(self, event: Event) -> None:
        assert self._open > 0, f"{event} after the end"
        self.events.append(event)
        if isinstance(event, Failed):
            self._open = 0
        elif isinstance(event, Finished):
            self._open -= 1
        self._changed.set()

    @property
    def ended(self) -> bool:
        return self._open == 0

    async def until(self, condition: Callable[[], bool]) -> Answer:
        while not condition():
            self._changed.clear()
            await asyncio.wait_for(self._changed.wait(), SECONDS)
        return self

    async def end(self) -> Answer:
        return await self.until(lambda: self.ended)

    async def first_text(self) -> Answer:
        return await self.until(lambda: any(delta.text for delta in self.deltas))

    def cancel(self) -> None:
        self._engine.cancel(self.id)

    @property
    def deltas(self) -> list[Delta]:
        return [event for event in self.events if isinstance(event, Delta)]

    def text_of(self, index: int) -> str:
        return "".join(delta.text for delta in self.deltas if delta.index == index)

    @property
    def text(self) -> str:
        return self.text_of(0)

    @property
    def ids(self) -> list[int]:
        return [token for delta in self.deltas for token in delta.token_ids]

    @property
    def accepted(self) -> Accepted:
        assert isinstance(self.events[0], Accepted), self.events[0]
        return self.events[0]

    @property
    def finished(self) -> Finished:
        assert isinstance(self.events[-1], Finished), self.events[-1]
        return self.events[-1]

    @property
    def error(self) -> ApiError:
        assert isinstance(self.events[-1], Failed), self.events[-1]
        return self.events[-1].error


class Driver:
    """Must be used on one running loop. `states` are all that the engine has reported."""

    def __init__(self, kind: str, path: Path = DEMO, **spec: Any) -> None:
        self.kind = kind
        self.states: list[str] = []
        self._loop = asyncio.get_running_loop()
        self._executor = ThreadPoolExecutor(8, "engine-test")
        self._numbers = itertools.count()
        settings = EngineSpec("demo", path, log_level="ERROR", **spec)
        self.guesses = settings.speculation is not None
        self.looks_up = self.guesses and settings.speculation.draft is None and kind == "batching"
        self.engine = make_engine(kind, settings, self._executor, self._loop.call_soon_threadsafe)
        self.engine.on_state = lambda state: self.states.append(state.status)

    @classmethod
    async def started(cls, kind: str, path: Path = DEMO, **spec: Any) -> Driver:
        driver = cls(kind, path, **spec)
        driver.engine.start()
        await driver.settled()
        return driver

    @property
    def pid(self) -> int:
        """Of the engine's present process."""
        info = self.engine.state.info
        assert info is not None
        assert info.pid is not None
        return info.pid

    async def settled(self) -> str:
        """Wait until the engine is not loading any more."""
        await self.wait_for(lambda: self.engine.state.status != "loading")
        return self.engine.state.status

    async def wait_for(self, condition: Callable[[], bool], seconds: float = SECONDS) -> None:
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline, "it did not come true in time"
            await asyncio.sleep(0.005)

    async def idle(self, seconds: float = 1.0) -> None:
        """Wait until nothing is in hand; by default not longer than a client's leaving may take."""
        await self.wait_for(
            lambda: (stats := self.engine.stats).running + stats.waiting == 0, seconds
        )

    def submit(self, prompt: str | Prompt, **parameters: Any) -> Answer:
        """Greedy unless `temperature` says otherwise."""
        outer = {
            name: parameters.pop(name)
            for name in ("echo", "truncate_prompt_tokens", "tells_prompt_end")
            if name in parameters
        }
        sampling = SamplingParams(**{"temperature": 0, **parameters})
        prompt = chat(prompt) if isinstance(prompt, str) else prompt
        return Answer(
            self.engine, GenerateRequest(f"t-{next(self._numbers)}", prompt, sampling, **outer)
        )

    async def ask(self, prompt: str | Prompt, **parameters: Any) -> Answer:
        return await self.submit(prompt, **parameters).end()

    async def all(self, answers: Iterable[Answer]) -> list[Answer]:
        return [await answer.end() for answer in list(answers)]

    async def close(self) -> None:
        await self.engine.close()
        self._executor.shutdown()
