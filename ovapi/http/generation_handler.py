"""GenerationHandler: from engine requests to an answer, whole or streamed, in any dialect.

long silence                         early headers, where the configuration wants them
Accepted from every engine request   or a Failed: still a real HTTP status
first result                         headers, and all events that wait, in one write
… each further batch of events       one write; the flush is awaited, so that a slow reader
                                     holds back its own stream and nothing else
silence                              a comment
Failed                               an event in the dialect's form; the stream ends
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, ClassVar

from tornado.iostream import StreamClosedError

from ovapi.core import Accepted, Event, GenerateRequest
from ovapi.http.answer.encoder import EventBatch, ResponseEncoder
from ovapi.http.answer.writer import AnswerWriter, raise_failure
from ovapi.http.handler import ApiHandler, error_of
from ovapi.http.telemetry.prompt_log import PromptLog
from ovapi.http.tornado_private import headers_written
from ovapi.serving.event_stream import EventStream
from ovapi.serving.metrics.request_timings import RequestTimings
from ovapi.serving.model import Model


class GenerationHandler(ApiHandler):
    """A handler that answers with generated text."""

    metered = True
    operation: ClassVar[str] = "text_completion"
    """What it does, as OpenTelemetry's semantic conventions call it."""

    def initialize(self) -> None:
        super().initialize()
        self._arrival = asyncio.get_running_loop().time()
        self._events: EventStream | None = None
        self._prompt_log: PromptLog | None = None
        self._writer: AnswerWriter | None = None
        self.asked: dict[str, Any] = {}
        self.requests: Sequence[GenerateRequest] = ()

    @property
    def timings(self) -> Sequence[RequestTimings]:
        """Of each of `requests`, as far as the model has taken them."""
        return self._events.timings if self._events is not None else ()

    def on_connection_close(self) -> None:
        """Cancels what the engine has in hand for this client."""
        if self._events is not None:
            self._events.close()
        super().on_connection_close()

    async def read_json(self, schema: str) -> dict[str, Any]:
        self.asked = await super().read_json(schema)
        if self.context.config.logging.prompts:
            self._prompt_log = PromptLog(self.asked)
        return self.asked

    async def generate(
        self,
        model: Model,
        requests: Sequence[GenerateRequest],
        answer: ResponseEncoder,
        stream: bool,
        timeout: float | None = None,
    ) -> None:
        """Answer with what `model` makes of `requests`. Raises ApiErrors until headers are out.

        `timeout` seconds after the request has come, the answer ends with what there is.
        """
        self.model_name, self.answer_id = model.name, requests[0].id
        if self.gone:
            return
        until = self._arrival + self._patience(timeout)
        requests = [replace(request, http_id=self.request_id) for request in requests]
        self.requests = requests
        if self._prompt_log is not None:
            answer = self._prompt_log.of(answer)
        writer = self._writer = AnswerWriter(self, answer, stream)
        try:
            async with self.using(model, len(requests), until):
                await self._generate(model, requests, writer, until)
        finally:
            writer.stop()

    async def _generate(
        self, model: Model, requests: Sequence[GenerateRequest], writer: AnswerWriter, until: float
    ) -> None:
        events = self._events = model.generate(requests, self.caller)
        events.end_at(until)
        try:
            await writer.write(events, await self._accepted(events))
        except StreamClosedError:
            """The client has gone while we wrote."""
        finally:
            events.close()
            if self._prompt_log is not None:
                self._prompt_log.write(self.request_id, self.answer_id, model.name)

    def _patience(self, timeout: float | None) -> float:
        most = self.context.config.limits.request_seconds
        return most if timeout is None else min(timeout, most)

    async def _accepted(self, events: EventStream) -> EventBatch:
        """All events up to those that make it clear that the requests are under way.

        Those that still wait in the queue while others run are not waited for: their refusal
        would come in the stream.
        """
        batch: list[tuple[int, Event]] = []
        accepted = 0
        while not accepted or accepted < events.started:
            new = await events.drain(self.context.config.server.keepalive_seconds)
            if not new and events.ended:
                break  # the client has gone
            raise_failure(new)
            accepted += sum(isinstance(event, Accepted) for _, event in new)
            batch += new
        return batch

    def send_error(self, status_code: int = 500, **kwargs: Any) -> None:
        """Tornado's hook: where the headers are out, the error is the end of the body."""
        if self._writer is None or self.gone or not headers_written(self):
            super().send_error(status_code, **kwargs)
            return
        self.refusal = error_of(status_code, kwargs.get("exc_info"))
        self._writer.fail(self.refusal)
