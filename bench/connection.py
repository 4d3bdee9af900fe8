"""Connection: an HTTP/1.1 client that costs next to nothing for each streamed token.

Whatever the load generator takes of the processor is missing from the server that it measures, so
it parses as JSON only what it has to: the events up to the first token, and the usage.
"""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any
from urllib.parse import urlsplit

READ_BYTES = 16 * 1024


@dataclass(slots=True)
class Answer:
    """One request's times (`perf_counter`) and counts. `events` are those that hold tokens."""

    sent: float
    first: float = 0.0
    last: float = 0.0
    ended: float = 0.0
    events: int = 0
    prompt_tokens: int = 0
    output_tokens: int = 0
    error: str = ""
    turn: int = 0
    texts: list[str] = field(default_factory=list)

    @property
    def text(self) -> str:
        return "".join(self.texts)


class Connection(asyncio.BufferedProtocol):
    """One connection, one request at a time. `keep_text`: parse every event, for its text.

    It reads into a buffer of its own: asyncio's would be made anew, with 256 KiB, for each read.
    """

    def __init__(self, host: str, keep_text: bool = False) -> None:
        self._host = host
        self._keep_text = keep_text
        self._read = memoryview(bytearray(READ_BYTES))
        self._buffer = bytearray()
        self._events = bytearray()
        self._status = 0
        self._length: int | None = None  # of the body; None: it is chunked
        self._in_body = False
        self.heard = False  # anything of the answer to the last request
        self._answer: Answer | None = None
        self._ended: asyncio.Future[Answer] | None = None

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    @property
    def open(self) -> bool:
        return not self._transport.is_closing()

    def request(self, method: str, path: str, body: bytes, headers: str) -> asyncio.Future[Answer]:
        """Send it. The answer comes at its end; an HTTP error or a broken connection is in it."""
        self._ended = asyncio.get_running_loop().create_future()
        self._status, self._in_body, self.heard = 0, False, False
        self._answer = Answer(sent=perf_counter())
        head = (
            f"{method} {path} HTTP/1.1\r\nHost: {self._host}\r\n{headers}"
            f"Content-Length: {len(body)}\r\n\r\n"
        )
        self._transport.write(head.encode() + body)
        return self._ended

    def close(self) -> None:
        self._transport.close()

    def connection_lost(self, error: Exception | None) -> None:
        self._finish(f"connection lost: {error or 'closed by the server'}")

    def get_buffer(self, sizehint: int) -> memoryview:
        return self._read

    def buffer_updated(self, nbytes: int) -> None:
        if self._answer is None:
            return
        self.heard = True
        self._buffer += self._read[:nbytes]
        now = perf_counter()
        if not self._in_body and not self._read_head():
            return
        if self._length is None:
            ended = self._read_chunks()
        else:
            ended = len(self._buffer) >= self._length
            if ended:
                self._events += self._buffer
                self._buffer.clear()
        if self._status == 200:
            self._read_events(now)
        if ended:
            failed = self._status != 200
            self._finish(f"{self._status} {self._events[:200].decode()}" if failed else "")

    def _read_head(self) -> bool:
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            return False
        lines = self._buffer[:end].decode("latin-1").lower().split("\r\n")
        del self._buffer[: end + 4]
        fields = dict(line.split(": ", 1) for line in lines[1:] if ": " in line)
        self._status = int(lines[0].split()[1])
        self._length = int(fields["content-length"]) if "content-length" in fields else None
        self._in_body = True
        return True

    def _read_chunks(self) -> bool:
        """Move whole chunks to `_events`; true after the last one."""
        buffer = self._buffer
        while (line := buffer.find(b"\r\n")) > 0:
            size = int(buffer[:line].split(b";")[0], 16)
            end = line + 2 + size
            if len(buffer) < end + 2:
                return False
            self._events += buffer[line + 2 : end]
            del buffer[: end + 2]
            if size == 0:
                return True
        return False

    def _read_events(self, now: float) -> None:
        end = self._events.rfind(b"\n\n")
        if end < 0:
            return
        for event in bytes(self._events[:end]).split(b"\n\n"):
            self._read_event(event, now)
        del self._events[: end + 2]

    def _read_event(self, event: bytes, now: float) -> None:
        answer = self._answer
        assert answer is not None
        if not event.startswith(b"data: {"):
            return
        if b'"error":' in event[:20]:
            answer.error = event.decode()
        if b'"usage":{' in event or b'"usage": {' in event:
            usage = json.loads(event[6:])["usage"]
            answer.prompt_tokens = usage["prompt_tokens"]
            answer.output_tokens = usage["completion_tokens"]
        if answer.first and not self._keep_text:
            if b'"finish_reason":null' in event or b'"finish_reason": null' in event:
                answer.events += 1
                answer.last = now
        elif text := _text(json.loads(event[6:])):
            answer.first = answer.first or now
            answer.last = now
            answer.events += 1
            if self._keep_text:
                answer.texts.append(text)

    def _finish(self, error: str) -> None:
        answer, self._answer = self._answer, None
        self._events.clear()
        if answer is None or self._ended is None or self._ended.done():
            return
        answer.ended = perf_counter()
        answer.error = answer.error or error
        self._ended.set_result(answer)


def _text(chunk: dict[str, Any]) -> str:
    for choice in chunk.get("choices", ()):
        return choice.get("text") or (choice.get("delta") or {}).get("content") or ""
    return ""


class Client:
    """A server by its base URL (`http://host:port`); connections are kept for the next request."""

    def __init__(self, base_url: str, key: str = "none", keep_text: bool = False) -> None:
        parts = urlsplit(base_url)
        assert parts.scheme == "http", "the base URL is http://host:port"
        assert parts.hostname
        self._address = (parts.hostname, parts.port or 80)
        self._prefix = parts.path.rstrip("/")
        self._host = parts.netloc
        self._headers = f"Content-Type: application/json\r\nAuthorization: Bearer {key}\r\n"
        self._keep_text = keep_text
        self._idle: list[Connection] = []

    async def post(self, path: str, body: dict[str, Any]) -> Answer:
        return await self._request("POST", path, json.dumps(body).encode())

    async def get(self, path: str) -> Answer:
        return await self._request("GET", path, b"")

    async def _request(self, method: str, path: str, body: bytes) -> Answer:
        """A server may close a kept connection just as the next request is on its way: as every
        HTTP client does, ask once more on a new one."""
        sent = perf_counter()
        kept = self._kept()
        try:
            connection = kept or await self._connect()
            answer = await connection.request(method, self._prefix + path, body, self._headers)
            if kept and not connection.heard:
                connection = await self._connect()
                answer = await connection.request(method, self._prefix + path, body, self._headers)
        except OSError as error:
            return Answer(sent, ended=perf_counter(), error=str(error))
        answer.sent = sent
        if not answer.error and connection.open:
            self._idle.append(connection)
        else:
            connection.close()
        return answer

    def _kept(self) -> Connection | None:
        while self._idle:
            connection = self._idle.pop()
            if connection.open:
                return connection
        return None

    async def _connect(self) -> Connection:
        loop = asyncio.get_running_loop()
        make = lambda: Connection(self._host, self._keep_text)  # noqa: E731
        _, made = await loop.create_connection(make, *self._address)
        return made

    def close(self) -> None:
        while self._idle:
            self._idle.pop().close()
