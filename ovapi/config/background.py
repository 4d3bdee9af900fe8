"""Work on files that may never answer: nothing waits for it, the exit of the process least."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

T = TypeVar("T")


async def in_background(call: Callable[[], T], name: str) -> T:
    """What `call` returns or raises, in a thread of its own that is given up when cancelled.

    The threads of an executor would be joined when the process exits.
    """
    loop = asyncio.get_running_loop()
    outcome: asyncio.Future[T] = loop.create_future()

    def run() -> None:
        """In the thread; the outcome goes to the loop's, unless that has ended."""
        try:
            result = call()
        except Exception as error:  # noqa: BLE001 it is raised where it is awaited
            _post(loop, outcome, outcome.set_exception, error)
        else:
            _post(loop, outcome, outcome.set_result, result)

    threading.Thread(target=run, name=name, daemon=True).start()
    return await outcome


def _post(
    loop: asyncio.AbstractEventLoop,
    outcome: asyncio.Future[T],
    settle: Callable[..., None],
    value: object,
) -> None:
    def settle_if_awaited() -> None:
        if not outcome.done():
            settle(value)

    with suppress(RuntimeError):  # the loop is closed
        loop.call_soon_threadsafe(settle_if_awaited)
