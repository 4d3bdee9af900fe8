"""What supervision itself says over the pipe between the server process and a child.

Whatever else goes over it belongs to the workload, and passes through unread. Both ends are the
same release of the same program, on one machine and one user: messages are pickled dataclasses.
"""

from __future__ import annotations

from dataclasses import dataclass

from ovapi.engine.base import EngineInfo, EngineSpec


@dataclass(frozen=True, slots=True)
class LoadModel:
    """The first command: what to serve."""

    spec: EngineSpec


@dataclass(frozen=True, slots=True)
class Stop:
    """The last command: exit."""


@dataclass(frozen=True, slots=True)
class Ready:
    """The first report."""

    info: EngineInfo


@dataclass(frozen=True, slots=True)
class LoadFailed:
    """The only report of a child that cannot load its model: it exits."""

    detail: str


@dataclass(frozen=True, slots=True)
class Alive:
    """A sign of life of a child that is at work and has nothing to report."""
