"""What a server's processes take: processor time and memory, by the server's process id."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import psutil

MIB = 2**20


@dataclass(frozen=True, slots=True)
class Usage:
    """Processor seconds so far and resident bytes; of the server, and of all that it started."""

    server_cpu: float
    engine_cpu: float
    server_rss: int
    engine_rss: int

    @classmethod
    def of(cls, pid: int) -> Usage:
        server = psutil.Process(pid)
        engines = server.children(recursive=True)
        return cls(
            cpu_seconds(server.pid),
            sum(cpu_seconds(engine.pid) for engine in engines),
            server.memory_info().rss,
            sum(engine.memory_info().rss for engine in engines),
        )


def cpu_seconds(pid: int) -> float:
    """The processor time of all its threads, from the kernel's own clock for it: to the us."""
    return time.clock_gettime(~pid << 3 | 2)  # clock_getcpuclockid(3) makes the id like this


def between(before: Usage, after: Usage, tokens: int) -> dict[str, Any]:
    """Figures of the time between the two, in which `tokens` were generated."""
    server = after.server_cpu - before.server_cpu
    return {
        "server_cpu_seconds": round(server, 3),
        "server_cpu_us_per_token": round(1e6 * server / tokens, 1) if tokens else None,
        "engine_cpu_seconds": round(after.engine_cpu - before.engine_cpu, 3),
        "server_rss_mib": round(after.server_rss / MIB, 1),
        "engine_rss_mib": round(after.engine_rss / MIB, 1),
    }


def busy_seconds() -> float:
    """The processor time of everything on this machine; of a virtual one what it lost to others."""
    times = psutil.cpu_times()
    return float(times.user + times.nice + times.system + times.irq + times.softirq + times.steal)


def listener(port: int) -> int | None:
    """The process that listens on a TCP port of this machine, if it can be seen."""
    for connection in psutil.net_connections("tcp"):
        if connection.status == psutil.CONN_LISTEN and connection.laddr.port == port:
            return connection.pid
    return None
