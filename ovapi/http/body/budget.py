"""BodyBudget: the memory that request bodies may take, shared out so that nobody takes it all."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

SMALL_BYTES = 64 * 1024
"""A body up to this size is never refused for want of room: connections bound those."""


@dataclass(slots=True, eq=False)
class Reservation:
    """What one request holds. `evict`, while its body is still coming, gives it up."""

    caller: str
    evict: Callable[[], None] | None = None
    size: int = 0


class BodyBudget:
    """Belongs to the event loop's thread.

    `limit` is for all bodies together, in bytes; a caller has at most `share` of it. A body counts
    as it comes in; once it is parsed, what was made of it counts, until its request ends. Where
    there is no room, the largest body that is still coming makes way for a smaller one, first of
    the caller who holds most: so nobody holds room by sending slowly.
    """

    def __init__(self, limit: int, share: float = 1.0) -> None:
        self.configure(limit, share)
        self._open: set[Reservation] = set()
        self._held: Counter[str] = Counter()

    def configure(self, limit: int, share: float) -> None:
        self._limit = limit
        self._share = int(limit * share)

    @property
    def held(self) -> int:
        """Bytes of all requests."""
        return self._held.total()

    def open(self, caller: str, evict: Callable[[], None]) -> Reservation:
        reservation = Reservation(caller, evict)
        self._open.add(reservation)
        return reservation

    def grow(self, reservation: Reservation, size: int) -> bool:
        """Take `size` bytes more; false if there is no room for them."""
        wanted = reservation.size + size
        while wanted > SMALL_BYTES and not self._fits(reservation.caller, size):
            rival = self._rival(reservation, wanted)
            if rival is None:
                return False
            self._evict(rival)
        self._resize(reservation, wanted)
        return True

    def received(self, reservation: Reservation) -> None:
        """The body is whole: it makes way for nobody from now on."""
        reservation.evict = None

    def parsed(self, reservation: Reservation, size: int) -> None:
        """The body is gone; what was made of it takes `size` bytes."""
        if reservation in self._open:
            self._resize(reservation, size)

    def close(self, reservation: Reservation) -> None:
        """Nothing of the body is left. A second time does nothing."""
        self._resize(reservation, 0)
        self._open.discard(reservation)
        if not self._held[reservation.caller]:
            del self._held[reservation.caller]

    def _fits(self, caller: str, size: int) -> bool:
        """Whether so many bytes more keep the caller and all within their limits. What exceeds
        them on its own may come in alone."""
        within = self._held[caller] + size <= self._share and self.held + size <= self._limit
        return within or len(self._open) == 1

    def _rival(self, reservation: Reservation, wanted: int) -> Reservation | None:
        """The larger body that makes way: of the same caller, if that one is over its share."""
        caller = reservation.caller
        crowded = self._held[caller] + wanted - reservation.size > self._share
        larger = [one for one in self._open if one.evict is not None and one.size > wanted]
        rivals = [one for one in larger if one.caller == caller or not crowded]
        return max(rivals, key=lambda one: (self._held[one.caller], one.size), default=None)

    def _evict(self, reservation: Reservation) -> None:
        evict, reservation.evict = reservation.evict, None
        assert evict is not None
        self.close(reservation)
        evict()

    def _resize(self, reservation: Reservation, size: int) -> None:
        self._held[reservation.caller] += size - reservation.size
        reservation.size = size
