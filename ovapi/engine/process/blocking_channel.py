"""BlockingChannel: an engine process's end of the connection with the server process; it blocks.

Each message is its length in 8 bytes and a pickle; both ends are the same program. `AsyncChannel`
is the server's end. Together they do what `multiprocessing.connection.Connection` does in half the
processor time, which counts as every step has a message: one read takes a whole message, or
several, and a look makes no selector.
"""

from __future__ import annotations

import pickle
import select
import socket
from collections.abc import Iterator
from typing import Any

READ_BYTES = 64 * 1024
_HEADER = 8


def frame(message: object) -> bytes:
    """As it goes over the pipe."""
    data = pickle.dumps(message, pickle.HIGHEST_PROTOCOL)
    return len(data).to_bytes(_HEADER) + data


class MessageBuffer:
    """Bytes come in, whole messages go out."""

    def __init__(self) -> None:
        self._bytes = bytearray()

    def __bool__(self) -> bool:
        """A message, or a part of one, is here."""
        return bool(self._bytes)

    def feed(self, chunk: bytes) -> None:
        self._bytes += chunk

    def messages(self) -> Iterator[Any]:
        """Those that are here whole, each taken out before it is given."""
        received = self._bytes
        while len(received) >= _HEADER:
            end = _HEADER + int.from_bytes(received[:_HEADER])
            if len(received) < end:
                return
            message = pickle.loads(received[_HEADER:end])
            del received[:end]
            yield message


class BlockingChannel:
    """Belongs to one thread."""

    def __init__(self, end: socket.socket) -> None:
        """`end` is one of a `socket.socketpair()`."""
        self._end = end
        self._inbox = MessageBuffer()
        self._look = select.poll()
        self._look.register(end, select.POLLIN)

    def send(self, message: object) -> None:
        """Block until the kernel has it all. Raises OSError when the other end is gone."""
        self._end.sendall(frame(message))

    def poll(self, seconds: float) -> bool:
        """Whether a message, a part of one or the end comes within `seconds`."""
        return bool(self._inbox) or bool(self._look.poll(1000 * seconds))

    def receive(self) -> Any:
        """Block for the next message. Raises EOFError or OSError when the other end is gone."""
        while (message := next(self._inbox.messages(), None)) is None:
            chunk = self._end.recv(READ_BYTES)
            if not chunk:
                raise EOFError
            self._inbox.feed(chunk)
        return message
