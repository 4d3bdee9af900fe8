"""GenerationHandler: from engine requests to an answer, whole or streamed, in any dialect.

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

from ovapi.core import Accepted, Event, Failed, GenerateRequest
from ovapi.http.handler import ApiHandler
from ovapi.http.response_encoder import EventBatch, ResponseEncoder
from ovapi.http.telemetry.prompt_log import PromptLog
from ovapi.http.tornado_private import headers_written, send_part, set_probe
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
        async with self.using(model, len(requests), until):
            await self._generate(model, requests, answer, stream, until)

    async def _generate(
        self,
        model: Model,
        requests: Sequence[GenerateRequest],
        answer: ResponseEncoder,
        stream: bool,
        until: float,
    ) -> None:
        events = self._events = model.generate(requests, self.caller)
        events.end_at(until)
        if self._prompt_log is None:
            await self._answer(events, answer, stream)
            return
        try:
            await self._answer(events, self._prompt_log.of(answer), stream)
        finally:
            self._prompt_log.write(self.request_id, self.answer_id, model.name)

    async def _answer(self, events: EventStream, answer: ResponseEncoder, stream: bool) -> None:
        try:
            batch = await self._accepted(events)
            if stream:
                await self._stream(events, batch, answer)
            else:
                await self._collect(events, batch, answer)
        except StreamClosedError:
            """The client has gone while we wrote."""
        finally:
            events.close()

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
            new = await events.drain(self._silence)
            if not new and events.ended:
                break  # the client has gone
            _raise_failure(new)
            accepted += sum(isinstance(event, Accepted) for _, event in new)
            batch += new
        return batch

    @property
    def _silence(self) -> float:
        return self.context.config.server.keepalive_seconds

    async def _collect(
        self, events: EventStream, batch: EventBatch, answer: ResponseEncoder
    ) -> None:
        ended = False
        while batch or not ended:
            _raise_failure(batch)
            answer.add(batch)
            ended = events.ended
            batch = await events.drain(self._silence)
        if not self.gone:
            self.write_json(answer.body())

    async def _stream(
        self, events: EventStream, batch: EventBatch, answer: ResponseEncoder
    ) -> None:
        self._open_stream(answer)
        ended = False
        while batch or not ended:
            if batch and isinstance(batch[-1][1], Failed) and not headers_written(self):
                raise batch[-1][1].error
            await self._send(_encode(batch, answer))
            ended = events.ended
            batch = await events.drain(self._silence)
        if self.gone:
            return
        sent = self.finish(answer.end())
        if self.request.version == "HTTP/1.0":  # which knows no other end of a stream
            await sent
            self.connection.stream.close()

    def _open_stream(self, answer: ResponseEncoder) -> None:
        self.set_header("Content-Type", answer.content_type)
        self.set_header("Cache-Control", "no-cache")
        self.set_header("X-Accel-Buffering", "no")
        self.connection.stream.set_nodelay(True)
        set_probe(self, answer.keep_alive or b" ")

    async def _send(self, data: bytes) -> None:
        """Write, and wait if the client does not read as fast. One that does not read at all is
        dropped by the server.

        What the kernel has taken whole needs no waiting, which is nearly every write.
        """
        if not data or self.gone:
            return
        flushed = send_part(self, data)
        if flushed is not None and self.connection.stream.writing():
            await flushed


def _encode(batch: EventBatch, answer: ResponseEncoder) -> bytes:
    """The events of a batch as bytes; a Failed, which can only be the last, in its own form."""
    if not batch:
        return answer.keep_alive
    failure = batch[-1][1]
    if isinstance(failure, Failed):
        return answer.encode(batch[:-1]) + answer.error(failure.error)
    return answer.encode(batch)


def _raise_failure(batch: EventBatch) -> None:
    if batch and isinstance(batch[-1][1], Failed):
        raise batch[-1][1].error
