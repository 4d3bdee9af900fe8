"""FakeEngine: an engine whose every event a test decides; see `ovapi.engine.base.Engine`."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence

from ovapi.core import (
    Accepted,
    Delta,
    Event,
    Failed,
    Finished,
    GenerateRequest,
    Prompt,
    Sink,
    Started,
    Usage,
)
from ovapi.engine.base import EngineInfo, EngineState, EngineStats, EngineStatus

INFO = EngineInfo(
    context=4096, cache_tokens=None, cache_bytes=None, vocabulary=512, device="CPU"
)  # fmt: skip


def script(*texts: str, reason: str = "stop", prompt: int = 7) -> list[Event]:
    """The events of one choice that says `texts`, a token each."""
    deltas = [Delta(text, (index,)) for index, text in enumerate(texts)]
    usage = Usage(prompt, len(texts), cached_tokens=3)
    return [Accepted(prompt), *deltas, Finished(reason, usage)]  # type: ignore[arg-type]


class FakeEngine:
    """Answers each request with the next script in the queue, at once; without one it waits.

    A waiting request is answered through `sinks`. `requests` and `cancelled` keep what came in.
    It is ready from the beginning, unless it is made in another state: then `become` has it come
    to the next one.
    """

    kind = "fake"

    def __init__(self, status: EngineStatus = "ready") -> None:
        self.state = EngineState(status, info=INFO if status == "ready" else None)
        self.stats = EngineStats()
        self.on_state: Callable[[EngineState], None] = lambda _: None
        self.scripts: deque[Iterable[Event]] = deque()
        self.requests: list[GenerateRequest] = []
        self.sinks: dict[str, Sink] = {}
        self.cancelled: list[str] = []
        self.tokenized: list[Prompt] = []

    def become(self, status: EngineStatus, detail: str = "") -> None:
        self.state = EngineState(status, detail, INFO if status == "ready" else None)
        self.on_state(self.state)

    def start(self) -> None:
        assert self.state.status == "unloaded", "an engine is started once"
        self.become("loading")

    def submit(self, request: GenerateRequest, sink: Sink) -> None:
        self.requests.append(request)
        self.sinks[request.id] = sink
        for event in self.scripts.popleft() if self.scripts else ():
            sink(event)
            if isinstance(event, Accepted):
                sink(Started(time.monotonic()))
            if isinstance(event, Failed):
                break

    def cancel(self, request_id: str) -> None:
        self.cancelled.append(request_id)

    async def tokenize(
        self,
        prompt: Prompt,
        add_special_tokens: bool = True,
        caller: str = "",
        deadline: float | None = None,
    ) -> tuple[int, ...]:
        self.tokenized.append(prompt)
        return (1, 2, 3)

    async def detokenize(
        self, ids: Sequence[int], caller: str = "", deadline: float | None = None
    ) -> str:
        return "".join(map(chr, ids))

    async def close(self) -> None:
        self.become("stopped")
