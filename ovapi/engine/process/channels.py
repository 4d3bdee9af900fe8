"""The two ends of the pipe between the server process and an engine process.

Each message is its length in 8 bytes and a pickle; both ends are the same program. `AsyncChannel`
is the server's end, which never blocks the loop; `BlockingChannel` is the engine's. Together they
do what `multiprocessing.connection.Connection` does in half the processor time, which counts as
every step has a message: one read takes a whole message, or several, and a look makes no selector.
"""

from __future__ import annotations

import asyncio
import os
import pickle
import select
import socket
import threading
from collections.abc import Callable, Iterator
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


class AsyncChannel:
    """Belongs to the event loop's thread, and is open from the start.

    The loop reads and writes by itself: a thread between it and the pipe would cost a wake-up for
    each step and each command, which is more than the reading.
    """

    def __init__(
        self, end: socket.socket, receive: Callable[[Any], None], ended: Callable[[], None]
    ) -> None:
        """`receive` is called with each report, and `ended` once, when no more will come.

        `end` is one of a `socket.socketpair()`; whoever made it closes it after `ended`.
        """
        self._end = end
        self._receive = receive
        self._ended = ended
        self._inbox = MessageBuffer()
        self._unsent = bytearray()
        self._loop = asyncio.get_running_loop()
        end.setblocking(False)
        self._loop.add_reader(end, self._read)

    def send(self, command: object) -> None:
        """What the kernel does not take at once, as the process is in a long step, waits here.

        A command to a dead process is lost, as its answer would be.
        """
        data = frame(command)
        if self._unsent:
            self._unsent += data
            return
        sent = self._offer(data)
        if sent < len(data):
            self._unsent += data[sent:]
            self._loop.add_writer(self._end, self._write)

    def _offer(self, data: bytes | bytearray) -> int:
        """How many bytes the kernel has taken."""
        try:
            return self._end.send(data)
        except BlockingIOError:
            return 0
        except OSError:
            return len(data)  # nobody is there: the reader gets to see it too

    def _write(self) -> None:
        del self._unsent[: self._offer(self._unsent)]
        if not self._unsent:
            self._loop.remove_writer(self._end)

    def _read(self) -> None:
        try:
            chunk = self._end.recv(READ_BYTES)
        except BlockingIOError:
            return
        except OSError:
            chunk = b""
        if not chunk:
            self._close()
            return
        self._inbox.feed(chunk)
        for report in self._inbox.messages():
            self._receive(report)

    def _close(self) -> None:
        self._loop.remove_reader(self._end)
        self._loop.remove_writer(self._end)
        self._unsent.clear()
        self._ended()
