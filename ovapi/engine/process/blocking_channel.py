"""BlockingChannel: an engine process's end of the connection with the server process; it blocks.

Each message is its length in 8 bytes and a pickle; both ends are the same program. `AsyncChannel`
is the server's end. Together they do what `multiprocessing.connection.Connection` does in half the
processor time, which counts as every step has a message: one read takes a whole message, or
several, and a look makes no selector.
"""

from __future__ import annotations

import os
import pickle
import select
import socket
import threading
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
    """Belongs to one thread, but for `send` and `wake`, which any may call."""

    def __init__(self, end: socket.socket) -> None:
        """`end` is one of a `socket.socketpair()`."""
        self._end = end
        self._inbox = MessageBuffer()
        self._sending = threading.Lock()
        self._alarm = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._look = select.poll()
        self._look.register(end, select.POLLIN)
        self._look.register(self._alarm, select.POLLIN)

    def close(self) -> None:
        self._end.close()
        os.close(self._alarm)

    def send(self, message: object) -> None:
        """Block until the kernel has it all. Raises OSError when the other end is gone."""
        data = frame(message)
        with self._sending:
            self._end.sendall(data)

    def wake(self) -> None:
        """End the present `poll`, or the next."""
        os.eventfd_write(self._alarm, 1)

    def poll(self, seconds: float | None) -> bool:
        """Whether a message, a part of one or the end is here, or comes within `seconds`."""
        if self._inbox:
            return True
        found = {fd for fd, _ in self._look.poll(None if seconds is None else 1000 * seconds)}
        if self._alarm in found:
            os.eventfd_read(self._alarm)
            found.remove(self._alarm)
        return bool(found)

    def receive(self) -> Any:
        """Block for the next message. Raises EOFError or OSError when the other end is gone."""
        while (message := next(self._inbox.messages(), None)) is None:
            chunk = self._end.recv(READ_BYTES)
            if not chunk:
                raise EOFError
            self._inbox.feed(chunk)
        return message
