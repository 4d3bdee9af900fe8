"""Backoff: how long to wait before the next engine process, by what the ones before were good for.

- One that had served, however briefly, is replaced at once: what killed it came from outside, or
  from a request, and its owner ends a request that kills one process after another.
- Those that die before any work are replaced ever more slowly.
- One that says that it cannot load its model will hardly do better soon.
"""

from __future__ import annotations

import time
from collections.abc import Callable

_FIRST = 0.1
_MAX_DELAY = 30.0
_LOAD_RETRY = 300.0
_HEALTHY_SECONDS = 60.0
# A request may kill each process that gives it one more token: that alone is not work.
_WORK = 16


class Backoff:
    """Of one supervisor's processes. `worked` and `cannot_load` may be another thread's, between
    `born` and `died`. All times are in seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._delay = _FIRST
        self.born()

    def born(self) -> None:
        """A process is about to be started."""
        self._born = self._clock()
        self._work = 0
        self._loads = True

    @property
    def proven(self) -> bool:
        """The process has done real work."""
        return self._work >= _WORK

    def worked(self, units: int) -> None:
        """The process has done so much more; a token is a unit."""
        self._work += units

    def cannot_load(self) -> None:
        """The process has said that it cannot load its model."""
        self._loads = False

    def died(self, killed: bool = False) -> float:
        """The process has gone; how long to wait before the next.

        `killed`: on purpose, once it was ready.
        """
        if not self._loads:
            return _LOAD_RETRY
        if killed or self.proven or self._clock() - self._born > _HEALTHY_SECONDS:
            self._delay = _FIRST
        delay = self._delay
        self._delay = min(2 * delay, _MAX_DELAY)
        return delay
