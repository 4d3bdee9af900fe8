"""LoadWaiters: the requests that wait for one model to be loaded."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from ovapi.errors import ApiError


class LoadWaiters:
    """Belongs to the event loop's thread."""

    def __init__(self) -> None:
        self._requests: dict[asyncio.Future[None], int] = {}

    @property
    def requests(self) -> int:
        """Engine requests that wait."""
        return sum(count for waiter, count in self._requests.items() if not waiter.done())

    def add(self, requests: int, due: float, late: Callable[[], ApiError]) -> asyncio.Future[None]:
        """What is done with the next `settle`; at `due`, a time of the loop, it fails with `late`.

        Whoever waits may fail it himself to give up.
        """
        loop = asyncio.get_running_loop()
        waiter: asyncio.Future[None] = loop.create_future()
        timer = loop.call_at(due, lambda: _settle(waiter, late()))
        self._requests[waiter] = requests

        def done(_: asyncio.Future[None]) -> None:
            timer.cancel()
            del self._requests[waiter]

        waiter.add_done_callback(done)
        return waiter

    def settle(self, error: ApiError | None) -> None:
        """Let go of all: the model is there, or will not be because of `error`."""
        for waiter in list(self._requests):
            _settle(waiter, error)


def _settle(waiter: asyncio.Future[None], error: ApiError | None) -> None:
    if waiter.done():
        return
    if error is None:
        waiter.set_result(None)
    else:
        waiter.set_exception(error)
