"""HalfClosed: connections whose clients have ended their half while they are answered.

The end of what a client sends (FIN) looks the same whether the client still reads, as after
`shutdown(SHUT_WR)`, or has closed its socket and is gone. Only a client that is gone answers what
we send with a reset. So something harmless is sent that each kind of response allows: `102
Processing` before it has begun, a comment in a stream. HTTP/1.0 knows nothing of the kind before
the response, so there a client that ends its half counts as gone.
"""

from __future__ import annotations

import asyncio
import select
from contextlib import suppress
from dataclasses import dataclass

from tornado.httputil import HTTPConnection
from tornado.iostream import StreamClosedError

from ovapi.http.tornado_private import HalfClosableStream, has_begun

PROCESSING = b"HTTP/1.1 102 Processing\r\n\r\n"
PROBE_SECONDS = 0.25
"""Until the first probe; most answers are out by then. The time doubles from one to the next."""


@dataclass(frozen=True, slots=True)
class Response:
    """To one request of `version`, on the `stream` that it came from."""

    stream: HalfClosableStream
    connection: HTTPConnection
    version: str


class HalfClosed:
    """Belongs to the event loop's thread. A stream that is reset is closed at once."""

    def __init__(self) -> None:
        self._epoll: select.epoll | None = None
        self._streams: dict[int, HalfClosableStream] = {}

    def add(self, stream: HalfClosableStream) -> None:
        """Close `stream` once its client is known to be gone."""
        if self._epoll is None:
            self._epoll = select.epoll()
            asyncio.get_running_loop().add_reader(self._epoll.fileno(), self._close_reset)
        self._streams = {file: one for file, one in self._streams.items() if not one.closed()}
        self._streams[stream.socket.fileno()] = stream
        # errors and hang-ups are always told; a file that is closed is out by itself
        self._epoll.register(stream.socket.fileno(), 0)

    def probe(self, response: Response) -> None:
        """From now on, find out whether the client still waits for `response`."""
        self._probe_in(PROBE_SECONDS, response)

    def _probe_in(self, seconds: float, response: Response) -> None:
        asyncio.get_running_loop().call_later(seconds, self._probe, response, seconds)

    def _probe(self, response: Response, seconds: float) -> None:
        stream = response.stream
        if stream.closed() or stream.reading():
            return
        if has_begun(response.connection):
            if stream.probe is None:
                return  # it is whole, and on its way
            with suppress(StreamClosedError):
                stream.probe()
        elif response.version == "HTTP/1.0":
            stream.close()
        else:
            stream.write(PROCESSING)
        self._probe_in(2 * seconds, response)

    def _close_reset(self) -> None:
        assert self._epoll is not None
        for file, _ in self._epoll.poll(0):
            self._streams[file].close()
