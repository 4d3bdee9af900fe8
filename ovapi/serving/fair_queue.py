"""Line: what waits for its turn, in an order that is fair between callers."""

from __future__ import annotations

from typing import Generic, TypeVar

T = TypeVar("T")


class FairQueue(Generic[T]):
    """First come, first served for the items of one caller, while the callers take turns.

    So whoever has one item waits for one turn of each other caller, however many these have.
    """

    def __init__(self) -> None:
        # both in order: callers of their turns, items of their arrival
        self._callers: dict[str, dict[str, T]] = {}
        self._length = 0

    def __len__(self) -> int:
        return self._length

    def add(self, caller: str, name: str, item: T) -> None:
        """`name` is the item's own among all that wait."""
        self._callers.setdefault(caller, {})[name] = item
        self._length += 1

    def remove(self, caller: str, name: str) -> None:
        """Take an item out of the line, wherever it stands; it must be there."""
        items = self._callers[caller]
        del items[name]
        self._length -= 1
        if not items:
            del self._callers[caller]

    def first(self) -> T | None:
        """Whose turn it is."""
        for items in self._callers.values():
            return next(iter(items.values()))
        return None

    def take(self) -> T:
        """Let the first one go; its caller's next turn comes after those of all others."""
        caller, items = next(iter(self._callers.items()))
        name = next(iter(items))
        item = items[name]
        self.remove(caller, name)
        if items:
            self._callers[caller] = self._callers.pop(caller)
        return item
