"""Supervisor: keeps one child process alive, whatever it does. Nothing here imports OpenVINO.

It knows of commands and reports what `ovapi.engine.process.messages` has; all others are its
owner's and pass through unread.

The event loop reads and writes the `AsyncChannel`, and everything here belongs to its thread, but
for a thread that spawns the child, looks whether it stalls, and reaps it. That one is a daemon and
no thread of an executor, for whose threads the interpreter waits when it exits: without `close`
that would be for ever. The kernel ends the child with its thread.
"""

from __future__ import annotations

import asyncio
import logging
import signal
import threading
import time
from concurrent.futures import Future
from functools import partial
from typing import Any, Protocol

from ovapi.engine.base import EngineInfo, EngineSpec, Post
from ovapi.engine.process.backoff import Backoff
from ovapi.engine.process.channels import AsyncChannel
from ovapi.engine.process.child import Child
from ovapi.engine.process.messages import Alive, LoadFailed, LoadModel, Ready, Stop

log = logging.getLogger(__name__)

_STOP_SECONDS = 3.0
_LOOK_SECONDS = 1.0


class Owner(Protocol):
    """Whose child it is. Called on the loop's thread, but for `pending`, which any may ask."""

    @property
    def pending(self) -> bool:
        """The child has work, so a report is due."""
        ...

    def on_ready(self, info: EngineInfo) -> None:
        """A child has loaded the model: it has got no command yet."""
        ...

    def on_report(self, report: Any) -> None: ...

    def on_failed(self, detail: str) -> None:
        """The model cannot be loaded, and `detail` says why; the next try comes in minutes."""
        ...

    def on_died(self, killed: bool) -> None:
        """The child is gone, with all that it had; another will be ready.

        `killed`: on purpose, from outside.
        """
        ...


class Supervisor:
    """From `start` to `close` there is a child, or soon will be.

    One that dies, or has work and says nothing for `spec.stall_seconds`, is replaced.
    """

    def __init__(self, spec: EngineSpec, post: Post, owner: Owner) -> None:
        self._spec = spec
        self._post = post
        self._owner = owner
        # since when a report is due
        self._waiting_since = time.monotonic()
        self._backoff = Backoff()
        self._child: Child | None = None  # set by the thread, unset by the loop
        self._closing = threading.Event()
        self._thread: Future[None] | None = None  # done when the thread is

    # -- the loop's thread ---------------------------------------------------------------------

    @property
    def ready(self) -> bool:
        """There is a child that has loaded its model, and hears."""
        return self._child is not None and self._child.state == "ready"

    def start(self) -> None:
        self._thread = Future()
        threading.Thread(
            target=self._supervise, args=(self._thread,), name="ovapi-supervisor", daemon=True
        ).start()

    def send(self, command: object) -> None:
        """Give the child a command. Without a child that is ready, it is lost."""
        if self._child is not None and self._child.channel is not None and self.ready:
            self._child.channel.send(command)

    def expect_report(self) -> None:
        """Work begins: until now the child was right to be silent."""
        self._waiting_since = time.monotonic()

    @property
    def proven(self) -> bool:
        """The present child has done enough work to be replaced at once."""
        return self._backoff.proven

    def note_work(self, units: int) -> None:
        """The present child has done so much; a token is a unit."""
        self._backoff.worked(units)

    async def close(self) -> None:
        """Ask the child to stop, kill it if it does not within seconds; return when it is gone."""
        self._closing.set()
        if self._thread is None:
            return
        thread = asyncio.wrap_future(self._thread)
        if self.ready:
            self.send(Stop())
            await asyncio.wait((thread,), timeout=_STOP_SECONDS)
        while not thread.done():
            # a child that is loading, or in a long step, hears nothing
            if self._child is not None:
                self._child.kill()
            await asyncio.wait((thread,), timeout=0.1)
        thread.result()

    def _born(self, child: Child) -> None:
        """A process runs: listen to it, and tell it what to serve."""
        child.channel = AsyncChannel(
            child.end, partial(self._receive, child), partial(self._ended, child)
        )
        child.channel.send(LoadModel(self._spec))

    def _ended(self, child: Child) -> None:
        """The child has said its last; the thread sees to the rest."""
        self._child = None
        child.ended.set()

    def _receive(self, child: Child, report: Any) -> None:
        """A message of the child has arrived."""
        self._waiting_since = time.monotonic()
        match report:
            case Ready(info):
                child.state = "ready"
                if not self._closing.is_set():
                    self._owner.on_ready(info)
            case LoadFailed(detail):
                child.state = "failed"
                self._backoff.cannot_load()
                self._owner.on_failed(detail)
            case Alive():
                pass
            case _:
                self._owner.on_report(report)

    def _died(self, status: int, killed: bool) -> None:
        if self._closing.is_set():
            return
        log.error("engine process of %s exited: %s", self._spec.name, _cause(status))
        self._owner.on_died(killed)

    # -- the supervisor's thread ---------------------------------------------------------------

    def _supervise(self, done: Future[None]) -> None:
        """Keep a child alive until `close`; then leave none behind."""
        try:
            self._keep_one_alive()
        finally:
            done.set_result(None)

    def _keep_one_alive(self) -> None:
        while not self._closing.is_set():
            self._backoff.born()
            killed = self._live_once()
            self._closing.wait(self._backoff.died(killed))

    def _live_once(self) -> bool:
        """One child's life; true if it was ready and somebody has killed it on purpose."""
        self._waiting_since = time.monotonic()
        try:
            self._child = child = Child(self._spec)
        except OSError as error:
            log.error("cannot start an engine process for %s: %s", self._spec.name, error)
            return False
        self._post(self._born, child)
        while not child.ended.wait(_LOOK_SECONDS):
            self._look(child)
        status = child.reap()
        killed = child.killed_on_purpose(status)
        if child.state != "failed":
            self._post(self._died, status, killed)
        return killed and child.state == "ready"

    def _look(self, child: Child) -> None:
        """Kill the child if it has work and says nothing."""
        loading = child.state == "loading"
        patience = self._spec.load_seconds if loading else self._spec.stall_seconds
        silent = time.monotonic() - self._waiting_since
        if silent > patience and (self._owner.pending or loading) and not child.speaks:
            log.error("engine process of %s silent for %.0f s, killing it", self._spec.name, silent)
            child.stalled = True
            child.kill()


def _cause(status: int) -> str:
    """Of a process's end, as people know it: a signal's name or an exit status."""
    known = {-one.value: one.name for one in signal.Signals}
    return known.get(status, f"exit status {status}")
