"""Service: keeps systemd told of how the server is, from the opening of its port to its end.

Ready means that the port is open: models load meanwhile, and a request for one that is not ready
gets its 503. How they are stands in the status line. The watchdog is fed by the event loop, as
long as no engine with work in hand has stood still for STUCK_SECONDS: a batching engine is
replaced by the server long before, but one inside of the server can only be restarted with it.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterable

from ovapi.serving.model import Model
from ovapi.systemd.notify import Notifier

log = logging.getLogger("ovapi.systemd")

STUCK_SECONDS = 300.0


class SystemdWatchdog:
    """`watchdog_seconds` is how long systemd waits for a sign of life; None if it does not."""

    def __init__(
        self, notifier: Notifier, models: Iterable[Model], watchdog_seconds: float | None
    ) -> None:
        self._notifier = notifier
        self._models = models
        self._interval = watchdog_seconds / 2 if watchdog_seconds is not None else None
        self._progress = Progress(models)
        self._timer: asyncio.TimerHandle | None = None

    def opened(self) -> None:
        """The port is open."""
        self._notifier.ready(self._status())
        self._beat()

    def changed(self) -> None:
        """A model's state is another one."""
        self._notifier.status(self._status())

    def stopping(self, requests: int) -> None:
        self._notifier.stopping(f"stopping, {requests} requests in flight")

    def close(self) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def _status(self) -> str:
        states = [f"{model.name} {model.engine.state.status}" for model in self._models]
        return ", ".join(states) or "no models"

    def _beat(self) -> None:
        if self._interval is None:
            return
        stuck = self._progress.stuck()
        if stuck is None:
            self._notifier.watchdog()
        else:
            log.error("model %s: no progress for %g s", stuck.name, STUCK_SECONDS)
        self._timer = asyncio.get_running_loop().call_later(self._interval, self._beat)


class Progress:
    """Whether models that have work in hand come on with it."""

    def __init__(self, models: Iterable[Model], now: Callable[[], float] = time.monotonic) -> None:
        self._models = models
        self._now = now
        self._seen: dict[str, tuple[int, float]] = {}

    def stuck(self) -> Model | None:
        """A model whose engine has given no event for STUCK_SECONDS, by when this was called."""
        return next((model for model in self._models if self._stands_still(model)), None)

    def _stands_still(self, model: Model) -> bool:
        events, since = self._seen.get(model.name, (-1, 0.0))
        if model.events != events or not model.in_flight or model.engine.state.status != "ready":
            self._seen[model.name] = model.events, self._now()
            return False
        return self._now() - since >= STUCK_SECONDS
