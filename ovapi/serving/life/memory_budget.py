"""MemoryBudget: room for models up to a limit; who was used least lately makes way."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable

from ovapi.errors import NoMemory
from ovapi.serving.life.lifecycle import MEMORY, ModelLifecycle


class MemoryBudget:
    """`limit` in bytes; None: none. See `ovapi.serving.life.lifecycle.MemoryProvider`.

    A model that loads counts with what it took the last time, or with an estimate; one that is
    loaded with what its process has now, if it has one.
    """

    def __init__(
        self, residents: Callable[[], Iterable[ModelLifecycle]], limit: int | None
    ) -> None:
        self.limit = limit
        self._residents = residents
        self._lock = asyncio.Lock()  # one at a time makes room

    def free(self, wanted: ModelLifecycle) -> bool:
        return self.limit is None or (not self._lock.locked() and self._missing(wanted) <= 0)

    def _missing(self, wanted: ModelLifecycle) -> int:
        """How many bytes too few there are."""
        if self.limit is None:
            return 0
        others = (one for one in self._residents() if one is not wanted and one.present)
        return wanted.memory + sum(one.memory for one in others) - self.limit

    async def make(self, wanted: ModelLifecycle, start: Callable[[], None]) -> None:
        async with self._lock:
            while (missing := self._missing(wanted)) > 0:
                leaver = self._leaver(wanted, missing)
                await asyncio.wait((leaver.unload(MEMORY),))
            start()

    def _leaver(self, wanted: ModelLifecycle, missing: int) -> ModelLifecycle:
        """Who makes way first, if those who can do so are enough. Raises NoMemory."""
        idle = [one for one in self._residents() if one is not wanted and one.evictable]
        if sum(one.memory for one in idle) < missing:
            raise self._refusal(wanted)
        return min(idle, key=lambda one: one.rested)

    def _refusal(self, wanted: ModelLifecycle) -> NoMemory:
        name, needed = wanted.config.name, wanted.memory / 2**20
        assert self.limit is not None
        if wanted.memory > self.limit:
            return NoMemory(
                f"The model '{name}' needs {needed:.0f} MiB, which exceeds the memory budget.",
                retry_after=300,
            )
        return NoMemory(
            f"Not enough memory for the model '{name}' ({needed:.0f} MiB) while the other models "
            "are in use. Try again later."
        )
