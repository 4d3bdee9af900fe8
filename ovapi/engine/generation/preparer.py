"""Preparer: threads for what happens to text before it can be computed with, beside the steps.

Templates, tokenizing and detokenizing are plain Python, or native calls of a few milliseconds. The
thread that steps holds the interpreter's lock for whole steps and lends it between two of them,
for a switch interval at a time: so they take that much from the streams, and no more. A native call
keeps the lock to its end (the tokenizer takes about 0.1 ms for a thousand tokens): who has computed
for long beside steps then rests for longer.
"""

from __future__ import annotations

import sys
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Hashable
from dataclasses import dataclass

_THREADS = 3
_SWITCH_SECONDS = 0.001
_NOTICEABLE = 0.003  # seconds of computing
_REST = 4  # times what was computed
_PATIENCE = 0.25  # seconds; a lane whose job takes longer goes on beside it


@dataclass(slots=True, eq=False)
class Job:
    """`run` is called in one of the threads; `lane` is whose turn it takes."""

    id: str
    lane: Hashable
    run: Callable[[Job], None]
    rests: bool = False
    """Its lane makes a pause for the steps after it."""
    began: float | None = None
    cancelled: bool = False
    """Nobody wants the result any more: `run` looks when it has one."""


class Preparer:
    """Jobs of one lane run one after the other, and lanes take turns.

    Every method may be called from any thread, and returns at once.
    """

    def __init__(self, stepping: Callable[[], bool] = lambda: False) -> None:
        """`stepping` tells whether there are steps just now."""
        self._stepping = stepping
        self._lanes: OrderedDict[Hashable, deque[Job]] = OrderedDict()
        self._running: set[Job] = set()
        self._changed = threading.Condition()

    def start(self) -> None:
        sys.setswitchinterval(_SWITCH_SECONDS)
        for number in range(_THREADS):
            threading.Thread(target=self._work, name=f"prepare-{number}", daemon=True).start()

    def __bool__(self) -> bool:
        """There are jobs that wait or run."""
        return bool(self._lanes or self._running)

    def add(self, job: Job) -> None:
        with self._changed:
            self._lanes.setdefault(job.lane, deque()).append(job)
            self._changed.notify()

    def cancel(self, job_id: str) -> bool:
        """Drop a job; true if it was here. One that runs goes on, and is marked as cancelled."""
        with self._changed:
            for job in self._running:
                if job.id == job_id:
                    job.cancelled = True
                    return True
            for lane, jobs in self._lanes.items():
                for job in jobs:
                    if job.id == job_id:
                        jobs.remove(job)
                        if not jobs:
                            del self._lanes[lane]
                        return True
        return False

    def _work(self) -> None:
        while True:
            job = self._take()
            try:
                self._run(job)
            finally:
                with self._changed:
                    self._running.remove(job)
                    self._changed.notify()

    def _run(self, job: Job) -> None:
        start = time.thread_time()
        job.run(job)
        seconds = time.thread_time() - start
        if job.rests and seconds > _NOTICEABLE and self._stepping():
            time.sleep(_REST * seconds)

    def _take(self) -> Job:
        """Wait for the next job whose turn it is."""
        with self._changed:
            while (job := self._next()) is None:
                self._changed.wait(_PATIENCE if self._lanes else None)
            job.began = time.monotonic()
            self._running.add(job)
            return job

    def _next(self) -> Job | None:
        """The first job of the first lane that may go on; that lane comes last next time."""
        for lane, jobs in self._lanes.items():
            if not self._is_at_work(lane):
                job = jobs.popleft()
                if jobs:
                    self._lanes.move_to_end(lane)
                else:
                    del self._lanes[lane]
                return job
        return None

    def _is_at_work(self, lane: Hashable) -> bool:
        since = time.monotonic() - _PATIENCE
        return any(job.lane == lane and (job.began or 0) > since for job in self._running)
