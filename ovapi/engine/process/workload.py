"""Workload: what a worker drives, of which it knows no more than this."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from ovapi.engine.base import EngineInfo, EngineSpec

Handlers = Mapping[type, Callable[[Any], None]]
"""What obeys a command, by the command's type."""


class Outlet(Protocol):
    """The worker's side of its workload; both may be called from any thread."""

    def send(self, report: object) -> None:
        """Give the server process a report; block until the kernel has it."""
        ...

    def wake(self) -> None:
        """Have the worker look whether the workload is busy."""
        ...


class Workload(Protocol):
    """Belongs to the worker's main thread, and may have others of its own."""

    @property
    def handlers(self) -> Handlers: ...

    @property
    def busy(self) -> bool:
        """There is something for `step` to do."""
        ...

    @property
    def working(self) -> bool:
        """Its own threads have something to do."""
        ...

    def step(self) -> None: ...


LoadWorkload = Callable[[EngineSpec, Outlet], tuple[Workload, EngineInfo]]
"""Loads what a spec asks for. Raises LoadError, or whatever the libraries below raise."""
