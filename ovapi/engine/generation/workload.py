"""GenerationWorkload: the commands of a child that generates, and what it reports."""

from __future__ import annotations

import logging

from ovapi import logs
from ovapi.engine.base import EngineStats
from ovapi.engine.generation.messages import (
    Cancel,
    Detokenize,
    Reply,
    RequestsLost,
    StepReport,
    Submit,
    Tokenize,
)
from ovapi.engine.generation.pipeline import GenerationPipeline, StepFailed
from ovapi.engine.process.workload import Handlers, Send
from ovapi.errors import ApiError

log = logging.getLogger(__name__)


class GenerationWorkload:
    """See `ovapi.engine.process.workload.Workload`."""

    def __init__(self, pipeline: GenerationPipeline, send: Send) -> None:
        self._pipeline = pipeline
        self._send = send
        self._reported = EngineStats()
        self.handlers: Handlers = {
            Submit: self._submit,
            Cancel: self._cancel,
            Tokenize: self._tokenize,
            Detokenize: self._detokenize,
        }

    @property
    def busy(self) -> bool:
        return self._pipeline.busy

    def step(self) -> None:
        """One message for the whole step, if anything has happened."""
        try:
            events = self._pipeline.step()
        except StepFailed as failed:
            self._send(RequestsLost(failed.ids))
            return
        stats = self._pipeline.stats
        if events or stats != self._reported:
            self._send(StepReport(tuple(events), stats))
            self._reported = stats

    def _submit(self, command: Submit) -> None:
        with logs.about(command.request.names):
            self._pipeline.submit(command.request, command.given)

    def _cancel(self, command: Cancel) -> None:
        self._pipeline.cancel(command.request_id)

    def _tokenize(self, command: Tokenize) -> None:
        self._reply(command)

    def _detokenize(self, command: Detokenize) -> None:
        self._reply(command)

    def _reply(self, command: Tokenize | Detokenize) -> None:
        with logs.about(command.subject):
            self._send(Reply(command.number, self._answer(command)))

    def _answer(self, command: Tokenize | Detokenize) -> tuple[int, ...] | str | ApiError:
        input_processor = self._pipeline.input_processor
        try:
            if isinstance(command, Tokenize):
                return tuple(input_processor.encode(command.prompt, command.add_special_tokens))
            return input_processor.decode(command.ids)
        except ApiError as error:
            return error
        except Exception:
            log.exception("a tokenization request failed")
            return ApiError("The tokenizer failed.")
