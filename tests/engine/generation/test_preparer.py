"""Jobs beside the steps: turns, order, cancellation, and a job that does not end."""

from __future__ import annotations

import threading
import time

import pytest

from ovapi.engine.generation.preparer import Job, Preparer

SECONDS = 10


@pytest.fixture
def preparer() -> Preparer:
    made = Preparer()
    made.start()
    return made


class Log:
    """What ran, in order. A job named in `held` runs until that is set."""

    def __init__(self, **held: threading.Event) -> None:
        self.done: list[str] = []
        self._held = held

    def job(self, name: str, lane: str) -> Job:
        return Job(name, lane, self._run)

    def _run(self, job: Job) -> None:
        if job.id in self._held:
            assert self._held[job.id].wait(SECONDS)
        self.done.append(job.id)

    def wait(self, count: int) -> list[str]:
        deadline = time.monotonic() + SECONDS
        while len(self.done) < count:
            assert time.monotonic() < deadline, self.done
            time.sleep(0.001)
        return self.done


def test_jobs_of_a_lane_keep_their_order(preparer: Preparer) -> None:
    log = Log()
    names = [str(number) for number in range(200)]
    for name in names:
        preparer.add(log.job(name, "one"))
    assert log.wait(200) == names


def test_lanes_take_turns() -> None:
    preparer, log = Preparer(), Log()
    for number in range(50):
        preparer.add(log.job(f"busy-{number}", "busy"))
    preparer.add(log.job("other", "another"))
    preparer.start()
    assert log.wait(51).index("other") < 5


def test_a_job_that_does_not_end_holds_up_its_lane_for_a_moment(preparer: Preparer) -> None:
    end = threading.Event()
    log = Log(endless=end)
    preparer.add(log.job("endless", "one"))
    preparer.add(log.job("next", "one"))
    preparer.add(log.job("other", "another"))
    assert log.wait(2) == ["other", "next"]
    assert preparer
    end.set()
    log.wait(3)


def test_what_is_cancelled_while_it_waits_never_runs(preparer: Preparer) -> None:
    end = threading.Event()
    log = Log(first=end)
    first = log.job("first", "one")
    for job in (first, log.job("second", "one"), log.job("third", "one")):
        preparer.add(job)
    assert preparer.cancel("second")
    assert not preparer.cancel("nobody")
    while first.began is None:
        time.sleep(0.001)
    assert preparer.cancel("first")
    assert first.cancelled
    end.set()
    assert log.wait(2) == ["first", "third"]


def test_who_computes_for_long_beside_steps_rests_for_longer() -> None:
    preparer, ends = Preparer(stepping=lambda: True), list[float]()

    def compute(job: Job) -> None:
        start = time.thread_time()
        while time.thread_time() - start < 0.02:
            pass
        ends.append(time.monotonic())

    preparer.start()
    for number in range(2):
        preparer.add(Job(str(number), "one", compute, rests=True))
    while len(ends) < 2:
        time.sleep(0.001)
    assert ends[1] - ends[0] >= 0.02 + 4 * 0.02
