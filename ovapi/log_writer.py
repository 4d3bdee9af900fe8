"""LogWriter: log lines go through a bounded queue to a thread that writes them.

A pipe that nobody reads, a full disk or a closed descriptor holds up that thread and nobody else:
lines that find the queue full, or that cannot be written, are dropped, counted, and reported as
soon as a line can be written again.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections import deque
from contextlib import suppress

MAX_BYTES = 4 * 1024 * 1024
"""Of the lines that wait."""
FLUSH_SECONDS = 2.0
"""How long the process waits at its end for lines to be written."""
RETRY_SECONDS = 1.0
"""Between two tries, where writing fails."""


class LogWriter(logging.Handler):
    """Formats in the thread that logs, which knows what the line is about; writes in its own."""

    def __init__(self, descriptor: int, max_bytes: int = MAX_BYTES) -> None:
        """`descriptor` is the file to write to; it stays open."""
        super().__init__()
        self._descriptor = descriptor
        self._max_bytes = max_bytes
        self._lines: deque[bytes] = deque()
        self._bytes = 0
        self._unreported = 0
        self._dropped = 0
        self._changed = threading.Condition()
        self._writing = False
        self._thread: threading.Thread | None = None

    @property
    def dropped(self) -> int:
        """Lines that nobody will see, since the start."""
        return self._dropped

    def emit(self, record: logging.LogRecord) -> None:
        try:
            line = f"{self.format(record)}\n".encode("utf-8", "backslashreplace")
        except Exception:  # noqa: BLE001 what a record holds may raise anything
            self.handleError(record)
            return
        with self._changed:
            if self._bytes + len(line) > self._max_bytes:
                self._drop(1)
                return
            self._lines.append(line)
            self._bytes += len(line)
            self._start()
            self._changed.notify_all()

    def handleError(self, record: logging.LogRecord) -> None:
        """A line that cannot be formatted is dropped; the standard answer would block."""
        with self._changed:
            self._drop(1)

    def _drop(self, lines: int) -> None:
        self._dropped += lines
        self._unreported += lines

    def _start(self) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="ovapi-log", daemon=True)
            self._thread.start()

    def flush(self) -> None:
        """Return once all lines are written, or after FLUSH_SECONDS."""
        deadline = time.monotonic() + FLUSH_SECONDS
        with self._changed:
            while self._lines or self._writing:
                rest = deadline - time.monotonic()
                if rest <= 0:
                    return
                self._changed.wait(rest)

    # -- the writer's thread -------------------------------------------------------------------

    def _run(self) -> None:
        while True:
            batch, lines = self._next()
            written = self._write(batch)
            with self._changed:
                self._writing = False
                if not written:
                    self._drop(lines)
                self._changed.notify_all()
            if not written:
                time.sleep(RETRY_SECONDS)

    def _next(self) -> tuple[bytes, int]:
        """All that waits, after a line about what was dropped before it; and how many lines."""
        with self._changed:
            while not self._lines:
                self._changed.wait()
            lines = [*self._report(), *self._lines]
            self._lines.clear()
            self._bytes = 0
            self._writing = True
            return b"".join(lines), len(lines)

    def _report(self) -> list[bytes]:
        count, self._unreported = self._unreported, 0
        if not count:
            return []
        text = "%d log lines were dropped: they could not be written in time"
        record = logging.LogRecord("ovapi.logs", logging.WARNING, "", 0, text, (count,), None)
        return [f"{self.format(record)}\n".encode()]

    def _write(self, data: bytes) -> bool:
        """Whether it could be written; this may block for as long as nobody reads."""
        try:
            while data:
                data = data[os.write(self._descriptor, data) :]
        except OSError:
            return False
        return True


def occupy_standard_descriptors() -> None:
    """Open /dev/null for each of 0, 1 and 2 that is closed: the next socket or file would get its
    number, and what is printed would go to a client."""
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= 2:
        os.set_inheritable(descriptor, True)
    with suppress(OSError):
        os.close(descriptor)
