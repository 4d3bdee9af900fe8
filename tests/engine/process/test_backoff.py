from __future__ import annotations

from itertools import pairwise

from ovapi.engine.process.backoff import Backoff


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


class Lives:
    """One process after another."""

    def __init__(self) -> None:
        self._clock = Clock()
        self._backoff = Backoff(self._clock)

    def live(
        self, *work: int, loads: bool = True, seconds: float = 1, killed: bool = False
    ) -> float:
        self._backoff.born()
        for units in work:
            self._backoff.worked(units)
        if not loads:
            self._backoff.cannot_load()
        self._clock.now += seconds
        return self._backoff.died(killed)


def test_processes_that_die_before_any_work_are_replaced_ever_more_slowly() -> None:
    lives = Lives()
    delays = [lives.live() for _ in range(12)]
    assert delays[0] == 0.1
    assert delays[-1] == 30
    assert all(later >= sooner for sooner, later in pairwise(delays))


def test_one_that_has_worked_is_replaced_at_once_whatever_happened_before() -> None:
    lives = Lives()
    for _ in range(8):
        lives.live()
    assert [lives.live(*[4] * 10) for _ in range(5)] == [0.1] * 5


def test_one_that_somebody_kills_is_replaced_at_once() -> None:
    lives = Lives()
    for _ in range(8):
        lives.live()
    assert [lives.live(killed=True) for _ in range(5)] == [0.1] * 5


def test_one_that_has_lived_long_is_replaced_at_once() -> None:
    lives = Lives()
    for _ in range(8):
        lives.live()
    assert lives.live(seconds=61) == 0.1


def test_a_request_that_kills_after_each_token_makes_no_hot_loop() -> None:
    lives = Lives()
    delays = [lives.live(1) for _ in range(12)]
    assert delays[-1] == 30


def test_a_model_that_cannot_be_loaded_is_tried_again_after_minutes() -> None:
    lives = Lives()
    assert lives.live(loads=False) == 300
    assert lives.live() == 0.1
