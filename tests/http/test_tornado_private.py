"""Tornado's private names are where we look for them, and mean what we take them for."""

from __future__ import annotations

import socket

from tornado.httputil import HTTPHeaders, HTTPServerRequest, RequestStartLine
from tornado.iostream import IOStream
from tornado.web import Application, RequestHandler

from ovapi.http import tornado_private
from ovapi.http.handler import VERBS, ApiHandler
from soak.client.raw import connect
from tests.support.api import Api, until


class OnlyGet(RequestHandler):
    def get(self) -> None:
        """The only verb that it implements."""


class SilentConnection:
    """A connection of which nobody reads."""

    def set_close_callback(self, callback: object) -> None: ...


def test_verbs_that_a_handler_implements() -> None:
    assert [verb for verb in VERBS if tornado_private.is_implemented(OnlyGet, verb)] == ["GET"]
    assert not any(tornado_private.is_implemented(ApiHandler, verb) for verb in VERBS)


def test_what_is_written_and_not_sent() -> None:
    line = RequestStartLine("GET", "/", "HTTP/1.1")
    headers = HTTPHeaders({"Host": "localhost"})
    request = HTTPServerRequest(start_line=line, headers=headers, connection=SilentConnection())  # type: ignore[arg-type]
    handler = OnlyGet(Application(), request)
    handler.write(b"four")
    assert tornado_private.buffered_bytes(handler) == 4
    assert tornado_private.headers_written(handler) is False


async def test_bytes_that_a_stream_has_read(api: Api) -> None:
    begun = b"GET /health HTTP/1.1\r\nHost: a\r\n"
    async with connect(api.port) as raw:
        await raw.send(begun)
        await until(lambda: len(api.server._open_connections) == 1)
        (stream,) = api.server._open_connections
        await until(lambda: tornado_private.unread_bytes(stream) == len(begun))


async def test_bytes_that_the_kernel_has_taken(api: Api) -> None:
    ours, theirs = socket.socketpair()
    stream = IOStream(ours)
    with theirs:
        assert tornado_private.sent_bytes(stream) == 0
        await stream.write(b"12345")
        assert tornado_private.sent_bytes(stream) == 5
        stream.close()
