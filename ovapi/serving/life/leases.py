"""Leases: how long callers keep a model loaded after they have used it."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(slots=True)
class Lease:
    """A caller's. It runs from the end of its last use, for `seconds`."""

    seconds: float
    since: float
    uses: int = 0

    def left(self, now: float) -> float:
        return self.seconds if self.uses else max(0.0, self.seconds - (now - self.since))


class Leases:
    """Of one model. A caller's later lease takes the place of its former one, and ends nobody
    else's; None stands for one without an end."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._leases: dict[str, Lease] = {}

    def begin(self, caller: str, seconds: float | None) -> None:
        """The caller uses the model, and will keep it for `seconds` after that, unless it uses the
        model already."""
        lease = self._leases.setdefault(caller, Lease(0.0, self._now()))
        if not lease.uses:
            lease.seconds = _finite(seconds)
        lease.uses += 1

    def end(self, caller: str) -> None:
        """A use of the caller has ended."""
        lease = self._leases.get(caller)
        if lease is not None:
            lease.uses -= 1
            lease.since = self._now()

    def renew(self, caller: str, seconds: float | None) -> None:
        """The caller wants to keep the model for so long after its last use, or from now on."""
        lease = self._leases.setdefault(caller, Lease(0.0, self._now()))
        lease.seconds = _finite(seconds)

    def drop_others(self, caller: str) -> None:
        """Nobody but the caller keeps the model any longer than it is used."""
        for name, lease in self._leases.items():
            if name != caller:
                lease.seconds = 0.0

    def left(self) -> float | None:
        """Seconds until the last of them ends, if nobody uses the model; None: never."""
        now = self._now()
        longest = max((lease.left(now) for lease in self._leases.values()), default=0.0)
        return None if math.isinf(longest) else longest

    def forget(self) -> None:
        """The model goes: no lease outlives its stay but those in use."""
        self._leases = {name: one for name, one in self._leases.items() if one.uses}


def _finite(seconds: float | None) -> float:
    return math.inf if seconds is None else seconds
