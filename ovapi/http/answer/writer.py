"""AnswerWriter: sends one answer to its client, whole or streamed, as fast as the client reads.

What is large is encoded in the executor, so that the loop goes on meanwhile.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any, TypeVar

from ovapi.core import Delta, Failed
from ovapi.errors import ApiError
from ovapi.http.answer.early_headers import EarlyHeaders
from ovapi.http.answer.encoder import EventBatch, ResponseEncoder
from ovapi.http.answer.json_encoder import encode_json
from ovapi.http.handler import ApiHandler
from ovapi.http.tornado_private import headers_written, send_part, set_probe
from ovapi.serving.event_stream import EventStream

T = TypeVar("T")

LARGE = 4096
"""What is more work to encode than this, some 3 ms, is done in the executor."""
BLOCK_BYTES = 256 * 1024
"""How much of a large answer is written at a time: Tornado copies what it is given at once."""
BLANK = b" "
"""What may stand before JSON."""


class AnswerWriter:
    """Writes by `handler`. It begins with `server.early_headers_seconds` of its own accord."""

    def __init__(self, handler: ApiHandler, answer: ResponseEncoder, stream: bool) -> None:
        self._handler = handler
        self._answer = answer
        self._streams = stream
        self._blank = answer.keep_alive if stream else BLANK
        settings = handler.context.config.server
        self._silence = settings.keepalive_seconds
        self._heard = asyncio.get_running_loop().time()  # when the client last got anything
        self._early: EarlyHeaders | None = None
        if settings.early_headers_seconds:
            self._early = EarlyHeaders(handler, settings, self._blank, self._set_headers)

    async def write(self, events: EventStream, batch: EventBatch) -> None:
        """Send `batch`, which came first, and the rest of `events`.

        Raises the ApiError of a Failed as long as that can have a status of its own, and
        StreamClosedError if the client goes.
        """
        await (self._stream if self._streams else self._collect)(events, batch)

    def fail(self, error: ApiError) -> None:
        """End with an error an answer whose headers are out."""
        self.stop()
        if self._streams:
            self._finish(self._answer.error(error) + self._answer.end())
        else:
            self._finish(encode_json(self._handler.error_body(error)))

    def stop(self) -> None:
        """No early headers, from now on."""
        if self._early is not None:
            self._early.stop()

    # --- whole ---

    async def _collect(self, events: EventStream, batch: EventBatch) -> None:
        amount = 0
        async for new in self._batches(events, batch):
            raise_failure(new)
            self._answer.add(new)
            amount += _work(new)
        self.stop()
        if self._handler.gone:
            return
        if amount <= LARGE:
            self._finish(b"".join(self._answer.body()))
        else:
            await self._send_blocks(await self._off_loop(_blocks, self._answer))

    async def _send_blocks(self, blocks: list[bytes]) -> None:
        if not headers_written(self._handler):
            self._handler.set_header("Content-Length", sum(map(len, blocks)))
        set_probe(self._handler, None)  # a block may end inside a word
        for block in blocks:
            self._handler.write(block)
            await self._handler.flush()
        self._finish(b"")

    # --- streamed ---

    async def _stream(self, events: EventStream, batch: EventBatch) -> None:
        self.stop()
        if not headers_written(self._handler):
            self._set_headers()
        async for new in self._batches(events, batch):
            if not headers_written(self._handler):
                raise_failure(new)
            await self._send(self._audible(await self._encoded(new)))
        if not self._handler.gone:
            self._finish(self._answer.end())

    def _audible(self, data: bytes) -> bytes:
        """`data`; where there was none for long, since what is generated is not shown, a blank."""
        now = asyncio.get_running_loop().time()
        if not data and now - self._heard >= self._silence:
            data = self._answer.keep_alive
        if data:
            self._heard = now
        return data

    async def _encoded(self, batch: EventBatch) -> bytes:
        if _work(batch) > LARGE:
            return await self._off_loop(_encode, batch, self._answer)
        return _encode(batch, self._answer)

    async def _send(self, data: bytes) -> None:
        """Write, and wait if the client does not read as fast. One that does not read at all is
        dropped by the server.

        What the kernel has taken whole needs no waiting, which is nearly every write.
        """
        if not data or self._handler.gone:
            return
        flushed = send_part(self._handler, data)
        if flushed is not None and self._handler.connection.stream.writing():
            await flushed

    # --- both ---

    async def _batches(self, events: EventStream, batch: EventBatch) -> AsyncIterator[EventBatch]:
        """`batch`, and all that follow; empty ones in times of silence."""
        ended = False
        while batch or not ended:
            yield batch
            ended = events.ended
            batch = await events.drain(self._silence)

    def _set_headers(self) -> None:
        """Of what is sent piece by piece."""
        content_type = self._answer.content_type if self._streams else "application/json"
        self._handler.set_header("Content-Type", content_type)
        self._handler.set_header("Cache-Control", "no-cache")
        self._handler.set_header("X-Accel-Buffering", "no")
        self._handler.connection.stream.set_nodelay(True)
        set_probe(self._handler, self._blank)

    def _finish(self, data: bytes) -> None:
        """HTTP/1.0 knows no other end of a stream than the connection's."""
        stream = self._handler.connection.stream
        endless = headers_written(self._handler) and self._handler.request.version == "HTTP/1.0"
        sent = self._handler.finish(data)
        if endless:
            sent.add_done_callback(lambda _: stream.close())

    async def _off_loop(self, function: Callable[..., T], *args: Any) -> T:
        executor = self._handler.context.executor
        return await asyncio.get_running_loop().run_in_executor(executor, function, *args)


def raise_failure(batch: EventBatch) -> None:
    """Raise the error of a Failed, which can only be the last."""
    if batch and isinstance(batch[-1][1], Failed):
        raise batch[-1][1].error


def _work(batch: EventBatch) -> int:
    """How much there is to encode: events, and log-probabilities, which take ten times as long."""
    tokens = sum([len(event.logprobs) for _, event in batch if isinstance(event, Delta)])
    return len(batch) + 10 * tokens


def _encode(batch: EventBatch, answer: ResponseEncoder) -> bytes:
    """The events of a batch as bytes; a Failed in its own form."""
    if not batch:
        return answer.keep_alive
    failure = batch[-1][1]
    if isinstance(failure, Failed):
        return answer.encode(batch[:-1]) + answer.error(failure.error)
    return answer.encode(batch)


def _blocks(answer: ResponseEncoder) -> list[bytes]:
    """The whole answer, in blocks of BLOCK_BYTES or somewhat more."""
    blocks: list[bytes] = []
    parts, size = [], 0
    for part in answer.body():
        parts.append(part)
        size += len(part)
        if size >= BLOCK_BYTES:
            blocks.append(b"".join(parts))
            parts, size = [], 0
    return [*blocks, b"".join(parts)]
