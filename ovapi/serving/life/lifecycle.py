"""ModelLifecycle: loads and unloads one model, and tells who waits for that.

unloaded   a request, or the server's start, begins the load
loading    requests wait for it, all for the same one
ready      requests use it
idle       once nobody has used it for `keep_alive`, or somebody else needs the memory, its engine
           is closed and a new one takes its place: unloaded
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol

from ovapi.config.settings import ModelConfig
from ovapi.engine.base import Engine, EngineState, unavailable
from ovapi.errors import (
    ApiError,
    DeadlineExceeded,
    Draining,
    ModelLoading,
    NoMemory,
    PermissionDenied,
)
from ovapi.serving.life.leases import Leases
from ovapi.serving.life.load_waiters import LoadWaiters
from ovapi.serving.metrics.process_memory import resident_bytes

log = logging.getLogger("ovapi.serving.life.lifecycle")

START, REQUEST, IDLE, MEMORY = "start", "request", "idle", "memory"
OPERATOR = "\0"
"""The caller that a load at startup is for; no key has this name."""
LOAD_REASONS = (START, REQUEST)
UNLOAD_REASONS = (IDLE, REQUEST, MEMORY)


class MemoryProvider(Protocol):
    """Where there is memory for models."""

    def free(self, wanted: ModelLifecycle) -> bool:
        """Whether `wanted` can be loaded as things are."""
        ...

    async def make(self, wanted: ModelLifecycle, start: Callable[[], None]) -> None:
        """Unload others until `wanted` fits, then call `start`. Raises NoMemory."""
        ...


class UnlimitedMemory:
    """Room without a limit."""

    def free(self, wanted: ModelLifecycle) -> bool:
        return True

    async def make(self, wanted: ModelLifecycle, start: Callable[[], None]) -> None:
        start()


class ModelLifecycle:
    """Belongs to the event loop's thread.

    `make` gives a new engine for the model, since one that was closed does not come back.
    """

    def __init__(self, config: ModelConfig, engine: Engine, make: Callable[[], Engine]) -> None:
        self.config = config
        self.room: MemoryProvider = UnlimitedMemory()
        self.estimate: Callable[[], int] = lambda: 0
        """What it will take, as far as can be said before it was ever loaded."""
        self.on_state: Callable[[EngineState], None] = lambda state: None
        self._leases = Leases(time.monotonic)
        self.loads: Counter[str] = Counter()
        self.unloads: Counter[str] = Counter()
        self._make = make
        self._uses = 0
        self._free = asyncio.Event()
        self._free.set()
        self._rested = time.monotonic()
        self._alarm: asyncio.TimerHandle | None = None
        self._waiters = LoadWaiters()
        self._arriving: asyncio.Task[None] | None = None
        self._leaving: asyncio.Task[None] | None = None
        self._awaited = False
        self._since = 0.0  # when the load began
        self._reason: str | None = None  # of the load that is under way
        self._measured: int | None = None
        self._take(engine)

    def _take(self, engine: Engine) -> None:
        self.engine = engine
        engine.on_state = self._changed

    # --- how it is ---

    @property
    def available(self) -> bool:
        """Whether its engine takes requests now."""
        return self._leaving is None and self.engine.state.status in ("ready", "restarting")

    @property
    def evictable(self) -> bool:
        """Whether it is in memory and nobody needs it there, or is on its way out."""
        status = self.engine.state.status
        idle = not self._uses and status in ("ready", "restarting", "failed")
        return idle or self._leaving is not None

    @property
    def present(self) -> bool:
        """Whether it takes memory, or is about to."""
        return self.engine.state.status not in ("unloaded", "stopped")

    @property
    def _busy(self) -> bool:
        """Whether a load is under way."""
        loading = self._leaving is None and self.engine.state.status == "loading"
        return loading or self._arriving is not None

    @property
    def waiting(self) -> int:
        """Engine requests that wait for the load."""
        return self._waiters.requests

    @property
    def rested(self) -> float:
        """Since when nobody has used it, by the monotonic clock."""
        return self._rested

    @property
    def expires_in(self) -> float | None:
        """In how many seconds it will go, if nobody uses it; None: not by itself."""
        return None if self._stays else self._leases.left()

    @property
    def _stays(self) -> bool:
        """Whether the configuration keeps it loaded, whatever requests ask for."""
        return self.config.keep_alive is None and not self._obeys

    @property
    def _obeys(self) -> bool:
        """Whether a request may unload a model that the configuration keeps."""
        return self.config.keep_alive_requests == "obey"

    @property
    def measured(self) -> int | None:
        """What its process has in RAM, or had when it was last there; None is not known."""
        info = self.engine.state.info
        size = resident_bytes(info.pid) if info is not None and info.pid else None
        if size is not None:
            self._measured = size
        return self._measured

    @property
    def memory(self) -> int:
        """What it takes, or would: measured where that is possible, else an estimate."""
        measured = self.measured
        return measured if measured is not None else self.estimate()

    def check(self) -> None:
        """Raise the error of a request that comes now, if it will not be served even after a wait.

        A load that the server's start began is not waited for.
        """
        if self.available:
            return
        state = self.engine.state
        if self._leaving is None and state.status in ("failed", "stopped"):
            raise unavailable(self.config.name, state)
        if self.config.load_wait_seconds == 0 or (
            self._leaving is None and state.status == "loading" and not self._awaited
        ):
            raise self._late()

    # --- use ---

    @contextmanager
    def use(self, caller: str = "") -> Iterator[None]:
        """What goes on inside needs the model: as long as it does, the model stays."""
        self._uses += 1
        leased = not self._stays
        if leased:
            self._leases.begin(caller, self.config.keep_alive)
        self._free.clear()
        self._disarm()
        try:
            yield
        finally:
            self._uses -= 1
            if leased:
                self._leases.end(caller)
            self._rested = time.monotonic()
            self._rest()

    def wait(self, requests: int, until: float | None = None) -> asyncio.Future[None]:
        """Have the model loaded; the result is done once it is there.

        It fails with the ApiError of the load, with ModelLoading after `load_wait_seconds`, and
        with DeadlineExceeded at `until`, a time of the loop. Whoever has called this is in `use`,
        and may fail it himself to give up. Raises what `check` does.
        """
        if self.config.load_wait_seconds == 0:
            self.load(REQUEST)
        self.check()
        due = asyncio.get_running_loop().time() + self.config.load_wait_seconds
        if until is not None and until < due:
            waiter = self._waiters.add(requests, until, _deadline_exceeded)
        else:
            waiter = self._waiters.add(requests, due, self._late)
        self.load(REQUEST)
        return waiter

    def _late(self) -> ApiError:
        state = "is loaded on demand" if not self._busy else "is still loading"
        return ModelLoading(f"The model '{self.config.name}' {state}.", param="model")

    async def idle(self) -> None:
        """Return once nobody uses it."""
        await self._free.wait()

    def stay(self, seconds: float | None, caller: str = "") -> None:
        """Keep the model for so long after the caller's last use, as a request has asked.

        It cannot shorten what others have asked for, or what the configuration says of a model
        that stays, unless `keep_alive_requests` lets it; where that says `ignore`, it does nothing.
        """
        if self._stays or self.config.keep_alive_requests == "ignore":
            return
        if self._obeys:
            self._leases.drop_others(caller)
        self._leases.renew(caller, seconds)
        self._rest()

    def configure(self, config: ModelConfig) -> None:
        self.config = config
        self._rest()

    def _rest(self) -> None:
        """If nobody uses the model, set the time of its end."""
        self._disarm()
        if self._uses:
            return
        self._free.set()
        seconds = self.expires_in
        if seconds is not None and self.evictable and self._leaving is None:
            loop = asyncio.get_running_loop()
            self._alarm = loop.call_later(seconds, self.unload, REQUEST if not seconds else IDLE)

    def _disarm(self) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None

    # --- coming ---

    def load(self, reason: str) -> None:
        """Begin to load, unless that is under way. A load at the start takes only what is free."""
        if self._busy or (self._leaving is None and self.engine.state.status != "unloaded"):
            return
        if self._leaving is None and self.room.free(self):
            self._start(reason)
        elif reason != START:
            self._arriving = asyncio.create_task(self._arrive(reason))
        else:
            log.warning(
                "model %s: not loaded at startup: memory budget exhausted", self.config.name
            )

    async def _arrive(self, reason: str) -> None:
        """Load as soon as the memory is there."""
        try:
            if self._leaving is not None:
                await asyncio.wait((self._leaving,))
            await self.room.make(self, lambda: self._start(reason))
        except NoMemory as error:
            log.warning("model %s: not loaded: %s", self.config.name, error.message)
            self._waiters.settle(error)
        finally:
            self._arriving = None

    def _start(self, reason: str) -> None:
        device = self.config.device
        log.info("model %s: loading on %s (%s)", self.config.name, device, reason)
        self._awaited = reason != START
        self._since = time.monotonic()
        self._reason = reason
        self.engine.start()

    def _changed(self, state: EngineState) -> None:
        """The engine has told of a change."""
        if self._leaving is not None:
            return  # `_leave` tells of what comes of it
        if state.status == "ready" and self._reason is not None:
            self._loaded(self._reason)
        self.on_state(state)
        if state.status == "ready":
            self._waiters.settle(None)
        elif state.status == "failed":
            self._waiters.settle(unavailable(self.config.name, state))
        self._rest()

    def _loaded(self, reason: str) -> None:
        self._reason = None
        self._rested = time.monotonic()
        self._leases.renew(OPERATOR, self.config.keep_alive if reason == START else 0.0)
        self.loads[reason] += 1
        log.info(
            "model %s: loaded in %.1f s (%s)",
            self.config.name, self._rested - self._since, reason,
        )  # fmt: skip

    # --- going ---

    def unload(self, reason: str) -> asyncio.Task[None]:
        """Close the engine; the task is done when its memory is free. Nobody may use the model."""
        assert not self._uses
        if self._leaving is None:
            self._disarm()
            self._leaving = asyncio.create_task(self._leave(reason))
        return self._leaving

    async def dismiss(self, caller: str = "") -> None:
        """Unload the model as soon as nobody uses or keeps it, which may be now.

        Raises PermissionDenied if requests may not do that.
        """
        if self._stays or self.config.keep_alive_requests == "ignore":
            raise PermissionDenied(
                f"The configuration keeps the model '{self.config.name}' loaded: requests cannot "
                "unload it (see 'keep_alive_requests')."
            )
        self.stay(0.0, caller)
        if self.present and not self._uses and not self._leases.left():
            await asyncio.wait((self.unload(REQUEST),))

    async def _leave(self, reason: str) -> None:
        began, rested, size = time.monotonic(), self._rested, self.measured
        await self.engine.close()
        self._leases.forget()
        self.unloads[reason] += 1
        self._take(self._make())
        log.info(
            "model %s: unloaded in %.1f s (%s), unused for %.0f s%s",
            self.config.name, time.monotonic() - began, reason, began - rested,
            f", {size / 2**20:.0f} MiB" if size is not None else "",
        )  # fmt: skip
        self._leaving = None
        self.on_state(self.engine.state)

    async def close(self) -> None:
        """End the engine for good; return when it is gone."""
        self._disarm()
        if self._arriving is not None:
            self._arriving.cancel()
        self._waiters.settle(Draining("The server is shutting down."))
        if self._leaving is not None:
            await asyncio.wait((self._leaving,))
        await self.engine.close()


def _deadline_exceeded() -> ApiError:
    return DeadlineExceeded("Request deadline exceeded.")
