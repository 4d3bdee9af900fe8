"""BodyReader: takes in a request's body, or reads and drops it once the request is refused."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

from ovapi.errors import ApiError, NoRoomForBody, PayloadTooLarge
from ovapi.http.body.budget import BodyBudget, Reservation

LINGER_BYTES = 64 * 1024 * 1024
"""How much of a refused body is read and dropped, so that its sender gets to see the answer."""
_ITEM_BYTES = 40
"""What a number in a list takes, with its place in the list."""


class BodyReader:
    """Belongs to one request. Until `begin`, and after `drop`, what comes is dropped.

    `refuse` is called at most once, with the error that ends the request while its body is still
    coming. `limit` is the largest body, in bytes.
    """

    def __init__(self, budget: BodyBudget, limit: int, refuse: Callable[[ApiError], None]) -> None:
        self._budget = budget
        self._limit = limit
        self._refuse = refuse
        self._body = bytearray()
        self._received = 0
        self._reservation: Reservation | None = None

    def begin(self, caller: str, announced: str) -> None:
        """Keep what comes from now on. Raises PayloadTooLarge for a Content-Length too large."""
        if announced.isdecimal() and len(announced) < 20 and int(announced) > self._limit:
            raise self._too_large()
        self._reservation = self._budget.open(caller, self._evicted)

    def feed(self, chunk: bytes) -> bool:
        """Take in a piece; false if the connection should be closed, as there is no end of it."""
        self._received += len(chunk)
        if self._reservation is None:
            return self._received <= self._limit + LINGER_BYTES
        if self._received > self._limit:
            self._refuse(self._too_large())
        elif not self._budget.grow(self._reservation, len(chunk)):
            self._refuse(_no_room())
        else:
            self._body += chunk
        return True

    def take(self) -> bytes:
        """The whole body, which is not kept here any longer."""
        if self._reservation is not None:
            self._budget.received(self._reservation)
        body, self._body = bytes(self._body), bytearray()
        return body

    def parsed(self, size: int) -> None:
        """What was made of the body takes `size` bytes, until `drop`."""
        if self._reservation is not None:
            self._budget.parsed(self._reservation, size)

    def drop(self) -> None:
        """Let go of the body, and of what may still come."""
        self._body.clear()
        if self._reservation is not None:
            self._budget.close(self._reservation)
            self._reservation = None

    def _evicted(self) -> None:
        self._refuse(_no_room())

    def _too_large(self) -> ApiError:
        return PayloadTooLarge(f"The body exceeds the limit of {self._limit} bytes.")


def _no_room() -> ApiError:
    return NoRoomForBody("Too many request bodies in memory. Try again later.")


def size_of(value: Any) -> int:
    """About how many bytes of memory JSON data takes."""
    total, rest = 0, [value]
    while rest:
        item = rest.pop()
        if isinstance(item, dict):
            rest += item.values()
            total += sys.getsizeof(item) + sum(map(sys.getsizeof, item))
        elif isinstance(item, list) and item and type(item[0]) is int:
            total += _ITEM_BYTES * len(item)
        elif isinstance(item, list):
            rest += item
            total += sys.getsizeof(item)
        else:
            total += sys.getsizeof(item)
    return total
