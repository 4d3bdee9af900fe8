"""The one place that touches Tornado's private names; a test fails when Tornado changes them."""

from __future__ import annotations

from collections.abc import Awaitable

from tornado.http1connection import HTTP1Connection
from tornado.iostream import IOStream, StreamClosedError
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
    if not handler._headers_written or stream.writing() or type(stream) is not IOStream:
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
