"""Workload: what a worker drives, of which it knows no more than this."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from ovapi.engine.base import EngineInfo, EngineSpec

Send = Callable[[object], None]
"""Sends a report to the server process; blocks until the kernel has it."""
Handlers = Mapping[type, Callable[[Any], None]]
"""What obeys a command, by the command's type."""


class Workload(Protocol):
    """Belongs to the worker's one thread; sends its reports by itself."""

    @property
    def handlers(self) -> Handlers: ...

    @property
    def busy(self) -> bool:
        """There is something for `step` to do."""
        ...

    def step(self) -> None: ...


LoadWorkload = Callable[[EngineSpec, Send], tuple[Workload, EngineInfo]]
"""Loads what a spec asks for. Raises LoadError, or whatever the libraries below raise."""
