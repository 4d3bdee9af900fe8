"""Pipe: one end of the connection between the server process and an engine process.

Each message is its length in 8 bytes and a pickle; both ends are the same program. It does what
`multiprocessing.connection.Connection` does in half the processor time, which counts as every step
has a message: one read takes a whole message, or several, and a look makes no selector.
"""

from __future__ import annotations

import pickle
import select
import socket
from typing import Any

_HEADER = 8
_READ_BYTES = 64 * 1024


class Pipe:
    """One thread may send while another looks and receives."""

    def __init__(self, end: socket.socket) -> None:
        """`end` is one of a `socket.socketpair()`, and closed with this."""
        self._end = end
        self._received = bytearray()
        self._look = select.poll()
        self._look.register(end, select.POLLIN)

    def send(self, message: object) -> None:
        """Block until the kernel has it all. Raises OSError when the other end is gone."""
        data = pickle.dumps(message, pickle.HIGHEST_PROTOCOL)
        self._end.sendall(len(data).to_bytes(_HEADER) + data)

    def poll(self, seconds: float) -> bool:
        """Whether a message, a part of one or the end comes within `seconds`."""
        return bool(self._received) or bool(self._look.poll(1000 * seconds))

    def receive(self) -> Any:
        """Block for the next message. Raises EOFError or OSError when the other end is gone."""
        received = self._received
        while (end := self._end_of_first()) is None:
            chunk = self._end.recv(_READ_BYTES)
            if not chunk:
                raise EOFError
            received += chunk
        message = pickle.loads(received[_HEADER:end])
        del received[:end]
        return message

    def _end_of_first(self) -> int | None:
        """Where the first message ends, if all of it is here."""
        received = self._received
        if len(received) < _HEADER:
            return None
        end = _HEADER + int.from_bytes(received[:_HEADER])
        return end if len(received) >= end else None

    def close(self) -> None:
        self._end.close()
