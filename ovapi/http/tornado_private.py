"""The one place that touches Tornado's private names; a test fails when Tornado changes them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from tornado.http1connection import HTTP1Connection
from tornado.httputil import HTTPConnection
from tornado.ioloop import IOLoop
from tornado.iostream import IOStream, SSLIOStream, StreamClosedError
from tornado.web import RequestHandler


class LoggedOnce(RequestHandler):
    """A handler that logs its request once: Tornado does so when it finishes, and somebody else
    may do so before, when the client has gone."""

    _logged = False

    def log_request(self) -> None:
        self._log()

    def _log(self) -> None:
        if not self._logged:
            self._logged = True
            super()._log()


class HalfClosableStream(IOStream):
    """A stream whose other side may end its own half of the connection and still read.

    Such an end closes Tornado's stream. It closes this one if somebody waits for more to read;
    otherwise, which is while a request is answered, it calls `on_half_close`, once. From then on
    only a write tells whether the other side is there. `probe` is such a write, in the form of the
    response that is under way, if it has one: it may raise StreamClosedError.
    """

    half_closed = False
    on_half_close: Callable[[], None] | None = None
    probe: Callable[[], None] | None = None

    def read_from_fd(self, buf: bytearray | memoryview) -> int | None:
        size = super().read_from_fd(buf)
        if size != 0 or (self.reading() and self._find_read_pos() is None):
            return size
        if not self.half_closed:
            self.half_closed = True
            if self.on_half_close is not None:
                self.on_half_close()
        return None

    def _handle_events(self, fd: Any, events: int) -> None:
        super()._handle_events(fd, events)
        self._ignore_reads()

    def _add_io_state(self, state: int) -> None:
        super()._add_io_state(state)
        self._ignore_reads()

    def _ignore_reads(self) -> None:
        """The end of what there is to read would wake the loop for ever."""
        if self.half_closed and self._state is not None and self._state & IOLoop.READ:
            self._state &= ~IOLoop.READ
            self.io_loop.update_handler(self.fileno(), self._state)


def set_probe(handler: RequestHandler, data: bytes | None) -> None:
    """Have `data` written between two parts of the response where its reader may have gone.

    None: nothing may come between what follows.
    """
    assert isinstance(handler.request.connection, HTTP1Connection)
    stream = handler.request.connection.stream

    def probe() -> None:
        if data and not stream.writing():
            send_part(handler, data)

    if isinstance(stream, HalfClosableStream):
        stream.probe = None if data is None else probe


def has_begun(connection: HTTPConnection) -> bool:
    """Whether anything of the response is out, or on its way."""
    assert isinstance(connection, HTTP1Connection)
    return connection._response_start_line is not None


def is_implemented(handler: type[RequestHandler], verb: str) -> bool:
    """Whether the handler has a method of its own for an HTTP verb."""
    return getattr(handler, verb.lower()) is not RequestHandler._unimplemented_method


def headers_written(handler: RequestHandler) -> bool:
    """Whether the response's headers are out."""
    return handler._headers_written


def buffered_bytes(handler: RequestHandler) -> int:
    """The size of what was written and not flushed yet."""
    return sum(map(len, handler._write_buffer))


def unread_bytes(stream: IOStream) -> int:
    """What the stream has read and nobody has asked for."""
    return stream._read_buffer_size


def sent_bytes(stream: IOStream) -> int:
    """What the kernel has taken of all that was written."""
    return stream._total_write_done_index


def send_part(handler: RequestHandler, data: bytes) -> Awaitable[None] | None:
    """Write a part of the body; None if the kernel has taken all of it. Raises StreamClosedError.

    Once the headers are out it goes past Tornado's layers, which make two futures and three
    callbacks of each write: half of what a streamed token cost. What the kernel does not take at
    once goes the usual way.
    """
    assert isinstance(handler.request.connection, HTTP1Connection)
    stream = handler.request.connection.stream
    if not handler._headers_written or stream.writing() or isinstance(stream, SSLIOStream):
        handler.write(data)
        return handler.flush()
    if stream.closed():
        raise StreamClosedError
    if handler.request.version != "HTTP/1.0":
        data = b"%x\r\n%b\r\n" % (len(data), data)
    sent = _offer(stream, data)
    return stream.write(data[sent:]) if sent < len(data) else None


def _offer(stream: IOStream, data: bytes) -> int:
    """How many bytes the kernel has taken. Raises StreamClosedError."""
    try:
        return stream.socket.send(data)
    except BlockingIOError:
        return 0
    except OSError as error:
        stream.close(exc_info=error)
        raise StreamClosedError(error) from error
