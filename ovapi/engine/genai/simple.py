"""SimpleEngine: LLMPipeline.generate in the server process, one request at a time.

Two kinds of thread meet. The queue, the sinks and the state belong to the event loop's thread; the
pipeline belongs to a thread of the executor for the time of one job. A job learns of a
cancellation from its `Job.cancelled` and hands over events by `post`.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from contextvars import copy_context
from dataclasses import dataclass, field
from typing import Any

from ovapi import logs
from ovapi.core import (
    Event,
    Failed,
    Finished,
    GenerateRequest,
    Prompt,
    Sink,
    Started,
)
from ovapi.engine.base import EngineInfo, EngineSpec, EngineState, EngineStats, Post, unavailable
from ovapi.engine.genai.simple_run import run
from ovapi.engine.load_error import describe
from ovapi.engine.text.input_processor import InputProcessor, PreparedRequest
from ovapi.errors import (
    ApiError,
    DeadlineExceeded,
    Draining,
    EngineFailed,
    UnsupportedParameter,
)

log = logging.getLogger(__name__)


@dataclass(slots=True)
class Job:
    """A request in hand. `cancelled` is set by the loop and read by the pipeline's thread."""

    request: GenerateRequest
    sink: Sink
    prepared: PreparedRequest | None = None
    cancelled: threading.Event = field(default_factory=threading.Event)


class SimpleEngine:
    """See `ovapi.engine.base.Engine`. Refuses beams and log-probabilities, which it cannot do."""

    kind = "simple"

    def __init__(self, spec: EngineSpec, executor: Executor, post: Post) -> None:
        self.state = EngineState("unloaded")
        self.stats = EngineStats()
        self.on_state: Callable[[EngineState], None] = lambda state: None
        self._spec = spec
        self._executor = executor
        self._post = post
        self._jobs: dict[str, Job] = {}  # in order of arrival
        self._running: Job | None = None
        self._idle = asyncio.Event()
        self._idle.set()
        self._loading: asyncio.Future[Any] | None = None
        self._pipeline: Any = None
        self._input_processor: InputProcessor | None = None

    # -- the loop's thread ---------------------------------------------------------------------

    def start(self) -> None:
        self._set_state(EngineState("loading"))
        self._loading = asyncio.wrap_future(self._executor.submit(self._load))

    def submit(self, request: GenerateRequest, sink: Sink) -> None:
        if self.state.status != "ready":
            sink(Failed(unavailable(self._spec.name, self.state)))
            return
        job = self._jobs[request.id] = Job(request, sink)
        self._count()
        self._executor.submit(self._prepare, job)

    def cancel(self, request_id: str) -> None:
        job = self._jobs.pop(request_id, None)
        if job is None and self._running and self._running.request.id == request_id:
            job = self._running
        if job is not None:
            job.cancelled.set()
            self._next()

    async def tokenize(
        self,
        prompt: Prompt,
        add_special_tokens: bool = True,
        caller: str = "",
        deadline: float | None = None,
    ) -> tuple[int, ...]:
        return tuple(await self._ask(deadline, self._ready().encode, prompt, add_special_tokens))

    async def detokenize(
        self, ids: Sequence[int], caller: str = "", deadline: float | None = None
    ) -> str:
        text: str = await self._ask(deadline, self._ready().decode, tuple(ids))
        return text

    async def _ask(self, deadline: float | None, work: Callable[..., Any], *args: Any) -> Any:
        done = self._executor.submit(copy_context().run, work, *args)
        try:
            async with asyncio.timeout_at(deadline):
                return await asyncio.wrap_future(done)
        except TimeoutError:
            raise DeadlineExceeded("Request deadline exceeded.") from None
        except ApiError:
            raise
        except Exception:
            log.exception("a tokenization request failed")
            raise ApiError("The tokenizer failed.") from None

    def _ready(self) -> InputProcessor:
        if self._input_processor is None or self.state.status != "ready":
            raise unavailable(self._spec.name, self.state)
        return self._input_processor

    async def close(self) -> None:
        """Cancel what runs, wait for it, and let go of the model."""
        loading, self._loading = self._loading, None
        if loading is not None:
            await asyncio.wait((loading,))
        self._set_state(EngineState("stopped"))
        waiting, self._jobs = self._jobs, {}
        for job in [*waiting.values(), *([self._running] if self._running else [])]:
            if not job.cancelled.is_set():
                job.cancelled.set()
                job.sink(Failed(Draining("The server is shutting down.")))
        await self._idle.wait()
        self._pipeline = self._input_processor = None

    def _set_state(self, state: EngineState) -> None:
        self.state = state
        self.on_state(state)

    def _loaded(self, result: tuple[Any, InputProcessor, EngineInfo] | str) -> None:
        if self._loading is None:  # closed meanwhile
            return
        if isinstance(result, str):
            self._set_state(EngineState("failed", result))
            return
        self._pipeline, self._input_processor, info = result
        self._set_state(EngineState("ready", info=info))

    def _accept(self, job: Job, result: PreparedRequest | ApiError) -> None:
        if job.cancelled.is_set():
            return
        if isinstance(result, ApiError):
            del self._jobs[job.request.id]
            job.sink(Failed(result))
        else:
            job.prepared = result
            job.sink(result.accepted)
        self._next()

    def _next(self) -> None:
        """Run the oldest job, once it is prepared and the pipeline is free."""
        job = next(iter(self._jobs.values()), None)
        if self._running is None and job is not None and job.prepared is not None:
            del self._jobs[job.request.id]
            self._running = job
            self._idle.clear()
            self._executor.submit(self._generate, job, job.prepared)
        self._count()

    def _count(self) -> None:
        self.stats = EngineStats(int(self._running is not None), len(self._jobs))

    def _deliver(self, job: Job, events: Sequence[Event]) -> None:
        for event in events:
            if not job.cancelled.is_set():
                job.sink(event)
            if isinstance(event, Failed | Finished):
                job.cancelled.set()  # nothing may follow

    def _done(self) -> None:
        self._running = None
        self._idle.set()
        self._next()

    # -- the executor's threads ----------------------------------------------------------------

    def _load(self) -> None:
        from ovapi.engine.genai.loader import load_single

        try:
            self._post(self._loaded, load_single(self._spec))
        except Exception as error:
            log.exception("model %s failed to load", self._spec.name)
            self._post(self._loaded, describe(error))

    def _prepare(self, job: Job) -> None:
        with logs.about(job.request.names):
            result = self._prepared(job.request)
        self._post(self._accept, job, result)

    def _prepared(self, request: GenerateRequest) -> PreparedRequest | ApiError:
        assert self._input_processor is not None
        try:
            _check(request)
            return self._input_processor.prepare(request)
        except ApiError as error:
            return error
        except Exception:
            log.exception("failed to prepare the request")
            return EngineFailed("The request could not be prepared.")

    def _generate(self, job: Job, prepared: PreparedRequest) -> None:
        assert self._input_processor is not None

        def emit(events: Sequence[Event]) -> None:
            self._post(self._deliver, job, events)

        emit([Started(time.monotonic())])
        try:
            run(self._pipeline, self._input_processor, prepared, emit, job.cancelled.is_set)
        except Exception:
            with logs.about(job.request.names):
                log.exception("the request failed")
            emit([Failed(EngineFailed("The engine failed during generation."))])
        self._post(self._done)


def _check(request: GenerateRequest) -> None:
    """Raise for what only batching can do."""
    if request.sampling.beams is not None:
        raise UnsupportedParameter(
            "Beam search requires the batching engine; this model uses the simple one.",
            param="use_beam_search",
        )
    if request.sampling.logprobs:
        raise UnsupportedParameter(
            "Log-probabilities require the batching engine; this model uses the simple one.",
            param="logprobs",
        )
