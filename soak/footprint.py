"""Footprint: what a server and its engines hold of the machine at a moment."""

from __future__ import annotations

from dataclasses import dataclass

import psutil

from bench.server_process import ServerProcess

MIB = 1024 * 1024


@dataclass(frozen=True)
class Footprint:
    """Resident memory in MiB and open file descriptors, of the server and of all its engines."""

    server: float
    engines: float
    descriptors: int
    engine_descriptors: int

    @classmethod
    def of(cls, server: ServerProcess) -> Footprint:
        own = psutil.Process(server.process.pid)
        children = own.children(recursive=True)
        return cls(
            own.memory_info().rss / MIB,
            sum(child.memory_info().rss for child in children) / MIB,
            own.num_fds(),
            sum(child.num_fds() for child in children),
        )

    def excess(self, base: Footprint, server: float, engines: float) -> str:
        """What is more than at the baseline, by more than so many MiB or any file descriptor."""
        found = []
        if self.server > base.server + server:
            found.append(f"the server has {self.server - base.server:.0f} MiB more")
        if self.engines > base.engines + engines:
            found.append(f"the engine has {self.engines - base.engines:.0f} MiB more")
        if self.descriptors > base.descriptors:
            found.append(f"the server has {self.descriptors - base.descriptors} descriptors more")
        if self.engine_descriptors > base.engine_descriptors:
            more = self.engine_descriptors - base.engine_descriptors
            found.append(f"the engine has {more} descriptors more")
        return ", ".join(found)
