"""Beam search: the likeliest beginnings of an answer go on together, over shared blocks.

As Hugging Face and OpenVINO GenAI do it: of the candidates of a step, twice as many as beams, those
that end are kept aside with their score by length, and the best others go on. Groups of beams
search on their own, each discouraged from the tokens that earlier groups have just taken.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence as Tokens
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ovapi.core import BeamSearch

Logprobs = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Beam:
    """The tokens generated so far, their log-probabilities, and the sum that decides."""

    tokens: tuple[int, ...] = ()
    logprobs: tuple[float, ...] = ()
    total: float = 0.0

    def score(self, length_penalty: float, length: int | None = None) -> float:
        """By length: its own, or one that it may come to."""
        return float(self.total / (length or max(1, len(self.tokens))) ** length_penalty)


@dataclass(frozen=True, slots=True)
class Candidate:
    """A beam, one token longer than the one at `parent` among those of its group."""

    beam: Beam
    parent: int


@dataclass(slots=True)
class BeamGroup:
    """`live` beams, at most `size`, and the best that have ended. `done`: none can be better."""

    size: int
    live: list[Beam] = field(default_factory=lambda: [Beam()])
    ended: list[Beam] = field(default_factory=list)
    done: bool = False


class BeamSearcher:
    """`limit` is the number of tokens of the longest beam; `ends` are the tokens that end one."""

    def __init__(self, params: BeamSearch, prompt: Tokens[int], ends: set[int], limit: int) -> None:
        self.groups = [BeamGroup(params.width // params.groups) for _ in range(params.groups)]
        self._params = params
        self._prompt = tuple(prompt)
        self._ends = ends
        self._limit = limit

    @property
    def done(self) -> bool:
        return all(group.done for group in self.groups)

    def advance(self, rows: list[list[Logprobs]]) -> list[list[Candidate]]:
        """One token more. `rows` holds, for each group that is not done, one row for each beam.

        Returns the beams that go on, of each of these groups.
        """
        taken: Counter[int] = Counter()
        found = []
        for group, own in zip([one for one in self.groups if not one.done], rows, strict=True):
            going = self._advance(group, own, taken)
            group.live = [candidate.beam for candidate in going]
            taken.update(beam.tokens[-1] for beam in group.live)
            self._settle(group)
            found.append([] if group.done else going)
        return found

    def _advance(
        self, group: BeamGroup, rows: list[Logprobs], taken: Counter[int]
    ) -> list[Candidate]:
        """The best candidates that do not end; those that do are put aside."""
        found = [
            candidate
            for parent, (beam, row) in enumerate(zip(group.live, rows, strict=True))
            for candidate in self._candidates(group, beam, parent, row, taken)
        ]
        found.sort(key=lambda candidate: -candidate.beam.total)
        going: list[Candidate] = []
        for rank, candidate in enumerate(found[: 2 * group.size]):
            if candidate.beam.tokens[-1] in self._ends:
                if rank < group.size:
                    self._end(group, candidate.beam)
            elif len(going) < group.size:
                going.append(candidate)
        return going

    def _candidates(
        self, group: BeamGroup, beam: Beam, parent: int, row: Logprobs, taken: Counter[int]
    ) -> list[Candidate]:
        scores = row.copy()
        for token, times in taken.items():
            scores[token] -= self._params.diversity_penalty * times
        scores[self._repeating(beam)] = -np.inf
        count = min(2 * group.size, len(scores))
        best = np.argpartition(-scores, count - 1)[:count]
        return [
            Candidate(
                Beam(
                    (*beam.tokens, int(token)),
                    (*beam.logprobs, float(row[token])),
                    beam.total + float(scores[token]),
                ),
                parent,
            )
            for token in best
            if np.isfinite(scores[token])
        ]

    def _repeating(self, beam: Beam) -> list[int]:
        """Tokens that would complete an n-gram for the second time."""
        size = self._params.no_repeat_ngram_size
        text = (*self._prompt, *beam.tokens)
        if not size or len(text) < size:
            return []
        last = text[len(text) - size + 1 :]
        starts = range(len(text) - size + 1)
        return [text[at + size - 1] for at in starts if text[at : at + size - 1] == last]

    def _end(self, group: BeamGroup, beam: Beam) -> None:
        group.ended.append(beam)
        group.ended.sort(key=self._score, reverse=True)
        del group.ended[group.size :]

    def _score(self, beam: Beam) -> float:
        return beam.score(self._params.length_penalty)

    def _settle(self, group: BeamGroup) -> None:
        """Note whether the group is done; at the limit its live beams end as they are."""
        if not group.live or len(group.live[0].tokens) >= self._limit:
            for beam in group.live:
                self._end(group, beam)
            group.done = True
        elif len(group.ended) == group.size:
            group.done = self._is_final(group)

    def _is_final(self, group: BeamGroup) -> bool:
        if self._params.early_stopping is True:
            return True
        penalty = self._params.length_penalty
        never = self._params.early_stopping == "never"
        length = self._limit if never and penalty > 0 else len(group.live[0].tokens)
        return self._score(group.ended[-1]) >= group.live[0].score(penalty, length)

    def results(self) -> list[Beam]:
        """The best beams of all groups, as many as were asked for."""
        ended = [beam for group in self.groups for beam in group.ended]
        return sorted(ended, key=self._score, reverse=True)[: self._params.results]
