"""GenerationWorkload: the commands of a child that generates, and what it reports."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import TypeVar

from ovapi import logs
from ovapi.core import Failed, GenerateRequest, Prompt
from ovapi.engine.base import EngineStats
from ovapi.engine.generation.messages import (
    Cancel,
    Detokenize,
    ForgetPrompt,
    Reply,
    RequestsLost,
    SharePrompt,
    StepReport,
    Submit,
    Tokenize,
)
from ovapi.engine.generation.pipeline import GenerationPipeline, RequestEvent, StepFailed
from ovapi.engine.generation.preparer import Job, Preparer
from ovapi.engine.process.workload import Handlers, Outlet
from ovapi.engine.text.input_processor import PreparedRequest
from ovapi.errors import ApiError, EngineFailed

log = logging.getLogger(__name__)

T = TypeVar("T")


class GenerationWorkload:
    """See `ovapi.engine.process.workload.Workload`.

    Requests are prepared in the threads of the `Preparer` and queue in `_prepared` for the worker's
    thread, to which the pipeline belongs.
    """

    def __init__(self, pipeline: GenerationPipeline, outlet: Outlet) -> None:
        self._pipeline = pipeline
        self._outlet = outlet
        self._preparer = Preparer(stepping=lambda: pipeline.busy)
        self._preparer.start()
        self._prepared: deque[tuple[Job, PreparedRequest | ApiError]] = deque()
        self._prompts: dict[int, Prompt] = {}
        self._reported = EngineStats()
        self.handlers: Handlers = {
            SharePrompt: self._share,
            ForgetPrompt: self._forget,
            Submit: self._submit,
            Cancel: self._cancel,
            Tokenize: self._tokenize,
            Detokenize: self._detokenize,
        }

    @property
    def busy(self) -> bool:
        return bool(self._prepared) or self._pipeline.busy

    @property
    def working(self) -> bool:
        return bool(self._preparer)

    def step(self) -> None:
        """One message for the whole step, if anything has happened."""
        failed = self._take_prepared()
        try:
            events = failed + self._pipeline.step()
        except StepFailed as lost:
            self._outlet.send(StepReport(tuple(failed), self._reported))
            self._outlet.send(RequestsLost(lost.ids))
            return
        stats = self._pipeline.stats
        if events or stats != self._reported:
            self._outlet.send(StepReport(tuple(events), stats))
            self._reported = stats

    def _take_prepared(self) -> list[RequestEvent]:
        """Queue in the pipeline what is prepared; the failures of what is refused."""
        failed: list[RequestEvent] = []
        while self._prepared:
            job, result = self._prepared.popleft()
            if job.cancelled:
                continue
            if isinstance(result, ApiError):
                failed.append((job.id, Failed(result)))
            else:
                self._pipeline.submit(result)
        return failed

    # -- commands ------------------------------------------------------------------------------

    def _share(self, command: SharePrompt) -> None:
        self._prompts[command.number] = command.prompt

    def _forget(self, command: ForgetPrompt) -> None:
        del self._prompts[command.number]

    def _submit(self, command: Submit) -> None:
        request = command.request
        if command.shared is not None:
            request = replace(request, prompt=self._prompts[command.shared])
        prepare = partial(self._prepare, request, command.given)
        self._preparer.add(Job(request.id, Submit, prepare))

    def _cancel(self, command: Cancel) -> None:
        self._preparer.cancel(command.request_id)
        for job, _ in self._prepared:
            job.cancelled |= job.id == command.request_id
        self._pipeline.cancel(command.request_id)

    def _tokenize(self, command: Tokenize) -> None:
        encode = self._pipeline.input_processor.encode
        self._answer(command, lambda: tuple(encode(command.prompt, command.add_special_tokens)))

    def _detokenize(self, command: Detokenize) -> None:
        self._answer(command, lambda: self._pipeline.input_processor.decode(command.ids))

    def _answer(
        self, command: Tokenize | Detokenize, work: Callable[[], tuple[int, ...] | str]
    ) -> None:
        def run(job: Job) -> None:
            with logs.about(command.subject):
                result = _outcome(work, "The tokenizer failed.")
            with suppress(OSError):  # the server process is gone, as the worker will see
                if not job.cancelled:
                    self._outlet.send(Reply(command.request_id, result))

        lane = (Tokenize, command.caller)
        self._preparer.add(Job(command.request_id, lane, run, rests=True))

    # -- the preparer's threads ----------------------------------------------------------------

    def _prepare(self, request: GenerateRequest, given: tuple[int, ...], job: Job) -> None:
        with logs.about(request.names):
            prepare = partial(self._pipeline.input_processor.prepare, request, given)
            result = _outcome(prepare, "The request could not be prepared.")
        self._prepared.append((job, result))
        self._outlet.wake()


def _outcome(work: Callable[[], T], message: str) -> T | ApiError:
    """What `work` gives, or the error that it ends with."""
    try:
        return work()
    except ApiError as error:
        return error
    except Exception:
        log.exception("%s", message)
        return EngineFailed(message)
