"""Limits: how many requests a caller may have at a time, and how many a minute.

A caller is the name of a key, or "" for everybody where no keys are configured.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass

from ovapi.config.settings import KeyLimits, LimitsConfig
from ovapi.errors import RateLimited, TooManyAtOnce


@dataclass(frozen=True, slots=True)
class Quota:
    """What a caller's rate leaves: `reset` is in how many seconds it will all be there again."""

    limit: int
    remaining: int
    reset: float

    def headers(self) -> dict[str, str]:
        """As OpenAI sends them."""
        return {
            "x-ratelimit-limit-requests": str(self.limit),
            "x-ratelimit-remaining-requests": str(self.remaining),
            "x-ratelimit-reset-requests": _duration(self.reset),
        }


@dataclass(slots=True)
class Caller:
    """A bucket that holds the requests of one minute and fills evenly. `at`: its last filling."""

    tokens: float
    at: float
    active: int = 0


class Limits:
    """Belongs to the event loop's thread."""

    def __init__(self, config: LimitsConfig, now: Callable[[], float] = time.monotonic) -> None:
        self.config = config
        self._now = now
        self._callers: dict[str, Caller] = {}

    def _of(self, name: str) -> KeyLimits:
        """The limits of a key; "" is everybody, where there are no keys."""
        return self.config.keys.get(name, self.config.per_key)

    def enter(self, name: str) -> None:
        """Count a request in, until its `leave`.

        Raises RateLimited or TooManyAtOnce, and then it does not count.
        """
        limits = self._of(name)
        caller = self._caller(name)
        if limits.concurrent is not None and caller.active >= limits.concurrent:
            raise TooManyAtOnce(
                f"Concurrency limit of {limits.concurrent} requests reached. "
                "Try again when one has finished."
            )
        if limits.requests_per_minute is not None:
            self._pay(caller, limits.requests_per_minute)
        caller.active += 1

    def leave(self, name: str) -> None:
        """A request that has entered has ended."""
        self._callers[name].active -= 1

    def quota(self, name: str) -> Quota | None:
        """What the rate of a caller leaves, if it has one."""
        rate = self._of(name).requests_per_minute
        if rate is None:
            return None
        caller = self._caller(name)
        self._fill(caller, rate)
        return Quota(rate, int(caller.tokens), (rate - caller.tokens) * 60 / rate)

    def _caller(self, name: str) -> Caller:
        if name not in self._callers:
            self._callers[name] = Caller(math.inf, self._now())
        return self._callers[name]

    def _pay(self, caller: Caller, rate: int) -> None:
        self._fill(caller, rate)
        if caller.tokens < 1:
            wait = math.ceil((1 - caller.tokens) * 60 / rate)
            raise RateLimited(
                f"Rate limit of {rate} requests per minute reached. Try again in {wait} s.",
                retry_after=wait,
            )
        caller.tokens -= 1

    def _fill(self, caller: Caller, rate: int) -> None:
        now = self._now()
        caller.tokens = min(rate, caller.tokens + (now - caller.at) * rate / 60)
        caller.at = now


def _duration(seconds: float) -> str:
    """``"20ms"``, ``"1.5s"`` or ``"1m0s"``: rounded up, so that waiting for so long is enough."""
    if seconds < 1:
        return f"{math.ceil(seconds * 1000)}ms"
    minutes, rest = divmod(math.ceil(seconds * 1000) / 1000, 60)
    return f"{minutes:.0f}m{rest:g}s" if minutes else f"{rest:g}s"
