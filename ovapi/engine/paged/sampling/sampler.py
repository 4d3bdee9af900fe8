"""Sampler: picks the tokens of one answer from its rows of logits."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import partial
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from ovapi.core import SamplingParams
from ovapi.engine.paged.sampling.draw import Filters, draw
from ovapi.engine.paged.sampling.penalties import Penalties
from ovapi.engine.paged.sampling.randomness import uniform

Floats = NDArray[np.float32]

_GREEDY_BELOW = 1e-5


class NoToken(Exception):
    """No token can be picked; ``str(error)`` says why, for the client."""


class Constraint(Protocol):
    """What says which tokens may come next, a grammar for instance."""

    def allowed(self) -> NDArray[np.bool_] | None:
        """One value for each token of the vocabulary; None allows all."""
        ...

    def accept(self, token: int) -> None:
        """The token that was picked; also those that an engine before this one has picked."""
        ...


class Sampler:
    """`position`, the number of tokens picked so far, decides with `seed` on the random numbers.

    `bias` is added to the logits of these tokens. `ends` may not come before `min_tokens`.
    """

    def __init__(
        self,
        params: SamplingParams,
        seed: int,
        prompt: Iterable[int] = (),
        ends: Iterable[int] = (),
        bias: Mapping[int, float] | None = None,
        constraint: Constraint | None = None,
    ) -> None:
        self.position = 0
        self._seed = seed
        self._filters = Filters(params.temperature, params.top_k, params.top_p, params.min_p)
        self._greedy = params.temperature < _GREEDY_BELOW or params.top_k == 1
        self._penalties = Penalties(params, prompt) if Penalties.wanted(params) else None
        self._min_tokens = params.min_tokens
        self._ends = np.array(sorted(ends), np.int64)
        self._biased = np.array(list(bias or ()), np.int64)
        self._bias = np.array(list((bias or {}).values()), np.float32)
        self.constraint = constraint

    def pick(self, logits: Floats) -> int:
        """The next token, which `accept` makes final. Raises NoToken. `logits` stay as they are."""
        logits = self.adapted(logits)
        best = int(logits.argmax())  # of NaN, if there is one
        if not np.isfinite(logits[best]):
            raise NoToken(_reason(logits[best]))
        if self._greedy:
            return best
        return draw(logits, self._filters, partial(uniform, self._seed, self.position))

    def accept(self, token: int) -> None:
        self.position += 1
        if self._penalties is not None:
            self._penalties.accept(token)
        if self.constraint is not None:
            self.constraint.accept(token)

    def adapted(self, logits: Floats) -> Floats:
        """The row after bias, penalties, mask and forbidden ends; a copy if anything changes."""
        allowed = self.constraint.allowed() if self.constraint is not None else None
        early = self.position < self._min_tokens and len(self._ends) > 0
        if not (len(self._biased) or self._penalties or early or allowed is not None):
            return logits
        logits = logits.copy()
        logits[self._biased] += self._bias
        if self._penalties is not None:
            self._penalties.apply(logits)
        if early:
            logits[self._ends] = -np.inf
        if allowed is not None:
            logits[~allowed] = -np.inf
        return logits


def _reason(logit: np.float32) -> str:
    if np.isneginf(logit):
        return "No token of the vocabulary is allowed to come next."
    return "The model's output for this request is not a number."
