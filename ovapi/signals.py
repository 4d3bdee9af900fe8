"""The signals that the server acts on. Those that come before it can do so wait until it can."""

from __future__ import annotations

import signal

HANDLED = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


def hold() -> None:
    """Have the kernel keep the signals until `release`.

    Threads and processes that are made meanwhile keep theirs for good: make no process.
    """
    signal.pthread_sigmask(signal.SIG_BLOCK, HANDLED)


def release() -> None:
    """Let the signals through, also those that have come since `hold`."""
    signal.pthread_sigmask(signal.SIG_UNBLOCK, HANDLED)
