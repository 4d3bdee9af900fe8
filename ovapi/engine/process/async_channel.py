"""AsyncChannel: the server's end of the pipe to an engine process; it never blocks the loop.

The loop reads and writes by itself: a thread between it and the pipe would cost a wake-up for each
step and each command, which is more than the reading.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from typing import Any

from ovapi.engine.process.blocking_channel import READ_BYTES, MessageBuffer, frame


class AsyncChannel:
    """Belongs to the event loop's thread, and is open from the start."""

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
