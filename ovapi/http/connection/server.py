"""LimitedHTTPServer: Tornado's, with bounds on the number of connections and their slowness.

A connection is new until a request's headers have come whole, then it is receiving the body, then
answering, and idle after it until the next. Where one too many comes, another is closed for it: of
the new or of the idle ones, whichever are more, the one that has been so for longest; if there are
none, the one that has been receiving for longest; if all are being answered, the one that comes
gets a 503. So whoever opens connections and does nothing with them keeps nobody out, and takes no
connection from those who do something.

Tornado itself closes a connection that has been idle for `idle_timeout`, or receiving for
`body_timeout`. Here those are closed whose headers have begun and do not end, and those whose
client does not take what there is for it.
"""

from __future__ import annotations

import asyncio
import logging
import resource
import socket
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from tornado.http1connection import HTTP1ServerConnection
from tornado.httpserver import HTTPServer
from tornado.httputil import (
    HTTPConnection,
    HTTPHeaders,
    HTTPMessageDelegate,
    HTTPServerConnectionDelegate,
    RequestStartLine,
    ResponseStartLine,
)
from tornado.iostream import IOStream, SSLIOStream

from ovapi.config.settings import ServerConfig
from ovapi.errors import TooManyConnections
from ovapi.http.answer.error_responses import openai_error
from ovapi.http.answer.json_encoder import encode_json
from ovapi.http.connection.half_closed import HalfClosed, Response
from ovapi.http.tornado_private import HalfClosableStream, sent_bytes, unread_bytes

log = logging.getLogger("ovapi.http.connection.server")

SEND_BYTES = 128 * 1024
"""What the kernel may hold for a client, twice over; left alone it takes megabytes for one that
does not read, and so hides it."""
LOOK_SECONDS = 1.0
"""How often connections are looked at, at least."""
SPARE_FILES = 256
"""File descriptors for all else, where there are plenty; else a quarter of them."""
MIN_SPARE_FILES = 32
"""What the server itself has open with one model, and some."""
MAX_REFUSALS = 64
"""Refused connections that are kept open for a moment, so that their clients see the answer."""
LINGER_SECONDS = 1.0
MAX_DROPPED_BYTES = 65536
"""How much of a refused connection's request is read."""


@dataclass(slots=True, eq=False)
class Connection:
    """A connection. `since` is when it began with the present header, or did not read on;
    `response` is what it is answered."""

    stream: IOStream
    address: str
    since: float | None = None
    taken: int = 0
    response: Response | None = None


Connections = dict[Connection, None]
"""In the order in which they came to be so."""


class LimitedHTTPServer(HTTPServer):
    """Serves an application by `limits`; `on_refusal` is told the reason of each refusal."""

    def initialize(  # type: ignore[override]
        self,
        app: HTTPServerConnectionDelegate,
        limits: ServerConfig,
        on_refusal: Callable[[str], None],
        ssl_options: ssl.SSLContext | None = None,
    ) -> None:
        super().initialize(
            app,
            max_header_size=limits.max_header_bytes,
            max_body_size=limits.max_body_bytes,
            idle_connection_timeout=limits.idle_timeout,
            body_timeout=limits.body_timeout,
            ssl_options=ssl_options,
        )
        self._on_refusal = on_refusal
        self._open_connections: dict[IOStream, Connection] = {}
        self._new: Connections = {}
        self._idle: Connections = {}
        self._receiving: Connections = {}
        self._half_closed = HalfClosed()
        self._refused = 0
        self._watching = False
        self.configure_limits(limits)

    def configure_limits(self, limits: ServerConfig) -> None:
        """Go on by these limits, as far as they are not Tornado's."""
        self._limits = limits
        self._most = most_connections(limits.max_connections)

    # --- coming and going ---

    def handle_stream(self, stream: IOStream, address: Any) -> None:
        if len(self._open_connections) >= self._most and not self._make_room():
            self._refuse(stream)
            return
        stream.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BYTES)
        stream = self._half_closable(stream)
        connection = self._open_connections[stream] = Connection(
            stream, str(address[0] if address else "a socket")
        )
        self._new[connection] = None
        if isinstance(stream, HalfClosableStream):
            stream.on_half_close = partial(self._half_close, connection)
        if not self._watching:
            self._watching = True
            self._look_again()
        super().handle_stream(stream, address)

    def _half_closable(self, stream: IOStream) -> IOStream:
        """TLS says itself when the other side has closed."""
        if isinstance(stream, SSLIOStream):
            return stream
        return HalfClosableStream(
            stream.socket,
            max_buffer_size=stream.max_buffer_size,
            read_chunk_size=stream.read_chunk_size,
        )

    def start_request(
        self, server_conn: object, request_conn: HTTPConnection
    ) -> HTTPMessageDelegate:
        """The connection waits for its next request, or for its first."""
        delegate = super().start_request(server_conn, request_conn)
        connection = self._open_connections.get(_stream(server_conn))
        if connection is None:
            return delegate  # it is being closed
        if connection not in self._new:
            self._move(connection, self._idle)
        connection.since = None
        connection.response = None
        return _Watched(delegate, self, connection, request_conn)

    def on_close(self, server_conn: object) -> None:
        super().on_close(server_conn)
        connection = self._open_connections.get(_stream(server_conn))
        if connection is not None:
            self._forget(connection)

    def receiving(self, connection: Connection) -> None:
        """A request's headers have come."""
        connection.since = None
        self._move(connection, self._receiving)

    def answering(self, connection: Connection, response: HTTPConnection, version: str) -> None:
        """A request has come whole."""
        self._move(connection, None)
        if isinstance(connection.stream, HalfClosableStream):
            connection.stream.probe = None
            connection.response = Response(connection.stream, response, version)
            if connection.stream.half_closed:
                self._half_closed.probe(connection.response)

    def _half_close(self, connection: Connection) -> None:
        """The client has ended its half; where it has not sent a whole request, that is the end."""
        assert isinstance(connection.stream, HalfClosableStream)
        self._half_closed.add(connection.stream)
        if connection.response is not None:
            self._half_closed.probe(connection.response)

    def _move(self, connection: Connection, where: Connections | None) -> None:
        for connections in (self._new, self._idle, self._receiving):
            connections.pop(connection, None)
        if where is not None and connection.stream in self._open_connections:
            where[connection] = None

    def _forget(self, connection: Connection) -> None:
        del self._open_connections[connection.stream]
        self._move(connection, None)

    # --- one too many ---

    def _make_room(self) -> bool:
        """Close the connection that is missed least; false if all are being answered."""
        unasked = max(self._idle, self._new, key=len)
        connection = next(iter(unasked or self._receiving), None)
        if connection is None:
            return False
        self._forget(connection)
        connection.stream.close()
        return True

    def _refuse(self, stream: IOStream) -> None:
        error = TooManyConnections("Connection limit reached. Try again later.")
        assert error.code is not None
        self._on_refusal(error.code)
        if isinstance(stream, SSLIOStream) or self._refused >= MAX_REFUSALS:
            stream.close()
            return
        body = encode_json(openai_error(error))
        head = (
            f"HTTP/1.1 {error.status} Service Unavailable\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\nRetry-After: {error.retry_after}\r\n"
            "Connection: close\r\n\r\n"
        )
        self._refused += 1
        asyncio.get_running_loop().call_later(LINGER_SECONDS, self._end_refusal, stream)
        stream.write(head.encode() + body)
        stream.read_bytes(MAX_DROPPED_BYTES, partial=True)  # unread, it would destroy the answer

    def _end_refusal(self, stream: IOStream) -> None:
        self._refused -= 1
        stream.close()

    # --- too slow ---

    def _look_again(self) -> None:
        shortest = min(self._limits.header_timeout, self._limits.write_timeout)
        asyncio.get_running_loop().call_later(min(LOOK_SECONDS, shortest / 4), self._look)

    def _look(self) -> None:
        now = asyncio.get_running_loop().time()
        for connection in list(self._open_connections.values()):
            if connection in self._new or connection in self._idle:
                self._check_headers(connection, now)
            else:
                self._check_reader(connection, now)
        self._watching = bool(self._open_connections)
        if self._watching:
            self._look_again()

    def _check_headers(self, connection: Connection, now: float) -> None:
        """What the stream has read and not given out is the beginning of a header."""
        if not unread_bytes(connection.stream):
            connection.since = None
        elif connection.since is None:
            connection.since = now
        elif now - connection.since > self._limits.header_timeout:
            connection.stream.close()

    def _check_reader(self, connection: Connection, now: float) -> None:
        taken = sent_bytes(connection.stream)
        if not connection.stream.writing() or taken != connection.taken or connection.since is None:
            connection.since, connection.taken = now, taken
        elif now - connection.since > self._limits.write_timeout:
            log.warning("connection from %s closed: the client stopped reading", connection.address)
            connection.stream.close()


class _Watched(HTTPMessageDelegate):
    """Tells the server how far a request has come."""

    def __init__(
        self,
        inner: HTTPMessageDelegate,
        server: LimitedHTTPServer,
        connection: Connection,
        response: HTTPConnection,
    ) -> None:
        self._inner = inner
        self._server = server
        self._connection = connection
        self._response = response
        self._version = ""

    def headers_received(
        self, start_line: RequestStartLine | ResponseStartLine, headers: HTTPHeaders
    ) -> Awaitable[None] | None:
        assert isinstance(start_line, RequestStartLine)
        self._version = start_line.version
        self._server.receiving(self._connection)
        return self._inner.headers_received(start_line, headers)

    def data_received(self, chunk: bytes) -> Awaitable[None] | None:
        return self._inner.data_received(chunk)

    def finish(self) -> None:
        self._server.answering(self._connection, self._response, self._version)
        self._inner.finish()

    def on_connection_close(self) -> None:
        self._inner.on_connection_close()


def _stream(connection: object) -> IOStream:
    assert isinstance(connection, HTTP1ServerConnection)
    return connection.stream


def most_connections(wanted: int) -> int:
    """As many of the connections wanted as the system lets this process have."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    files, most = wanted + SPARE_FILES, wanted
    if hard != resource.RLIM_INFINITY and hard < files:
        files = hard
        most = min(wanted, max(1, hard - min(SPARE_FILES, max(MIN_SPARE_FILES, hard // 4))))
    if most < wanted:
        log.warning(
            "open file limit is %d (ulimit -Hn, LimitNOFILE=): at most %d connections instead of "
            "%d, the other files are for engines and logs", hard, most, wanted,
        )  # fmt: skip
    if soft != resource.RLIM_INFINITY and soft < files:
        resource.setrlimit(resource.RLIMIT_NOFILE, (files, hard))
    return most
