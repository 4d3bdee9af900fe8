"""What an engine is to the rest of the server, whatever runs inside it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from ovapi.config.engine_options import EngineOptions
from ovapi.core import GenerateRequest, Prompt, Sink
from ovapi.errors import ApiError, ModelFailed, ModelLoading
from ovapi.language.model_language import ModelLanguage

EngineStatus = Literal["unloaded", "loading", "ready", "restarting", "failed", "stopped"]
"""`unloaded` until it is started. While an engine restarts it still takes requests, which wait."""
Post = Callable[..., None]
"""`post(callback, *args)` runs the callback on the event loop's thread; callable from anywhere."""


MAX_BATCHED_TOKENS = 256
"""The default of `max_batched_tokens`."""


@dataclass(frozen=True)
class EngineSpec(EngineOptions):
    """All that an engine needs to know to serve one model.

    `kind` names the engine; `ovapi.engine.factory.make_engine` sets it.
    """

    kind: str = "batching"
    compile_cache: Path | None = None
    log_level: str = "INFO"
    log_format: Literal["text", "json"] = "text"

    @property
    def batched_tokens(self) -> int:
        """How many tokens a step takes at most."""
        return self.max_batched_tokens or MAX_BATCHED_TOKENS


@dataclass(frozen=True, slots=True)
class EngineInfo:
    """Facts of a loaded model. `cache_tokens` None: the cache does not limit a request.

    `pid` is the process that it has of its own, if it has one. `at_once` is how many requests it
    takes together, where that is less than its configuration says. `token_bytes` is the length of
    the longest token. `language` is how the model writes calls and thought, if it chats.
    """

    context: int
    cache_tokens: int | None
    cache_bytes: int | None
    vocabulary: int
    device: str
    pid: int | None = None
    at_once: int | None = None
    token_bytes: int | None = None
    language: ModelLanguage | None = None


@dataclass(frozen=True, slots=True)
class EngineState:
    """`detail` says why, for people: the error of a failed load, free of paths and traces.

    `info` is there while the engine is ready or restarts.
    """

    status: EngineStatus
    detail: str = ""
    info: EngineInfo | None = None


@dataclass(frozen=True, slots=True)
class EngineStats:
    """What an engine has in hand: requests decoding, requests waiting, share of cache in use."""

    running: int = 0
    waiting: int = 0
    cache_usage: float = 0.0


def unavailable(name: str, state: EngineState) -> ApiError:
    """Why the model `name`, whose engine is in a state that takes no requests, does not answer."""
    if state.status in ("failed", "stopped"):
        return ModelFailed(f"The model '{name}' is not available: {state.detail}")
    return ModelLoading(f"The model '{name}' is not loaded.", param="model")


class Engine(Protocol):
    """One model, from its load to its end. Every method is called on the event loop's thread and
    returns at once. `start` is called once, and nothing after `close`.

    `submit` never raises for what a client sent: that comes as a Failed event. Each submitted
    request ends exactly once. `cancel` of an unknown or finished id does nothing; a cancelled
    request gets no further events. `on_state` is called on the loop's thread after each change.
    """

    kind: str
    state: EngineState
    stats: EngineStats
    on_state: Callable[[EngineState], None]

    def start(self) -> None: ...

    def submit(self, request: GenerateRequest, sink: Sink) -> None: ...

    def cancel(self, request_id: str) -> None: ...

    async def tokenize(
        self,
        prompt: Prompt,
        add_special_tokens: bool = True,
        caller: str = "",
        deadline: float | None = None,
    ) -> tuple[int, ...]:
        """The prompt's token ids, a chat prompt after its template. Raises an ApiError.

        `caller` is whose turn it takes; `deadline` a time of the loop, DeadlineExceeded its error.
        """
        ...

    async def detokenize(
        self, ids: Sequence[int], caller: str = "", deadline: float | None = None
    ) -> str:
        """The text of the ids, special tokens included. Raises an ApiError, as `tokenize` does."""
        ...

    async def close(self) -> None:
        """End everything in hand, free the model and its memory; return when it is gone."""
        ...
