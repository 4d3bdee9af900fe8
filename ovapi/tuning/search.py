"""Search: the setting that serves an objective best, within a budget of time."""

from __future__ import annotations

import itertools
import statistics
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from ovapi.tuning.space import Setting, Space
from ovapi.tuning.trial import Figures, TrialResult

_WEIGHTS = {
    "latency": ("alone",),
    "throughput": ("together",),
    "prefill": ("prompt",),
    "balanced": ("prompt", "alone", "together", "during"),
}
_GAIN = 1.03  # what is less may be noise
_KEPT = 2  # trials for the end

Measure = Callable[[Setting], TrialResult]


@dataclass(frozen=True, slots=True)
class Candidate:
    """A setting that was tried. `score` is against the default; None if it must not be used."""

    setting: Setting
    result: TrialResult
    score: float | None

    @property
    def names(self) -> str:
        return ", ".join(f"{name}={value}" for name, value in self.setting.items()) or "default"


class OutOfTimeError(Exception):
    """Another trial might not end within the budget."""


class Search:
    """Tries settings one after another; `candidates` holds all of them, the default first.

    `agreement` is the least share of tokens that must be as by default. Every trial is taken to
    last as long as the longest so far, and two are kept for the end.
    """

    def __init__(self, measure: Measure, objective: str, agreement: float, budget: float) -> None:
        self._measure = measure
        self._parts = _WEIGHTS[objective]
        self._least = agreement
        self._end = time.monotonic() + budget
        self._longest = 0.0
        self.candidates: list[Candidate] = []

    def begin(self) -> Candidate:
        """Measure the default, whatever time it takes."""
        self.candidates.append(self._try({}))
        return self.default

    @property
    def default(self) -> Candidate:
        return self.candidates[0]

    @property
    def best(self) -> Candidate:
        """The default, unless another is clearly better."""
        best = max(self.candidates, key=lambda one: one.score or 0.0)
        return best if (best.score or 0.0) >= _GAIN else self.default

    def run(self, space: Space) -> None:
        """The pairs; then one property after another from the best so far, until none gains; then
        two properties at once, those first that came nearest. After `begin`."""
        try:
            for setting in space.pairs:
                self.attempt(setting)
            while self._climb(space):
                pass
            for setting in self._crosses():
                self.attempt(setting)
        except OutOfTimeError:
            pass

    def attempt(self, setting: Setting) -> Candidate:
        """Try a setting, once. Raises OutOfTimeError."""
        for known in self.candidates:
            if known.setting == setting:
                return known
        if time.monotonic() + (1 + _KEPT) * self._longest > self._end:
            raise OutOfTimeError
        candidate = self._try(setting)
        self.candidates.append(candidate)
        return candidate

    def confirm(self) -> Candidate | None:
        """Try the best once more, and the default after it; the gain that is left, if any is.

        The luckiest of many trials looks better than it is. None: no time was left for it.
        """
        best = self.best
        if best is self.default or time.monotonic() + 2 * self._longest > self._end:
            return None
        again = self._try(best.setting)
        reference = self._try({})
        if again.score is None or not reference.score:
            return Candidate(best.setting, again.result, None)
        return Candidate(best.setting, again.result, again.score / reference.score)

    def _try(self, setting: Setting) -> Candidate:
        start = time.monotonic()
        result = self._measure(setting)
        self._longest = max(self._longest, time.monotonic() - start)
        return Candidate(setting, result, self._score(result))

    def _score(self, result: TrialResult) -> float | None:
        """The geometric mean of the objective's figures over the default's."""
        if result.figures is None or result.agreement < self._least:
            return None
        if not self.candidates:
            return 1.0
        base = self.default.result.figures
        assert base is not None
        return score(result.figures, base, self._parts)

    def _climb(self, space: Space) -> bool:
        """Try each value of each property with the best of the others; true if it got better."""
        before = self.best
        for name, values in space.axes.items():
            for value in values:
                self.attempt({**self.best.setting, name: value})
        return self.best is not before

    def _crosses(self) -> Iterator[Setting]:
        """Two single changes of the best at once, where both came near it."""
        best = self.best.setting
        near = sorted(
            (one for one in self.candidates if one.score and _changes(one.setting, best) == 1),
            key=lambda one: one.score or 0.0,
            reverse=True,
        )
        pairs = list(itertools.combinations(near, 2))
        pairs.sort(key=lambda pair: (pair[0].score or 0) * (pair[1].score or 0), reverse=True)
        for one, other in pairs:
            merged = {**best, **_new(one.setting, best), **_new(other.setting, best)}
            if _changes(merged, best) == 2:
                yield merged


def score(figures: Figures, base: Figures, parts: tuple[str, ...]) -> float:
    ratios: list[float] = [getattr(figures, part) / getattr(base, part) for part in parts]
    return statistics.geometric_mean(ratios)


def _new(setting: Setting, base: Setting) -> Mapping[str, object]:
    return {name: value for name, value in setting.items() if base.get(name) != value}


def _changes(setting: Setting, base: Setting) -> int:
    """In how many properties they differ."""
    names = {*setting, *base}
    return sum(setting.get(name) != base.get(name) for name in names)
