"""How long the server takes from its start to its open port and to its first token."""

from __future__ import annotations

import asyncio
from pathlib import Path

from bench.connection import Client
from bench.contest import medians
from bench.figures import Figures
from bench.processes import Usage
from bench.serving import configuration, serving
from bench.workload import Dialect


def startup(name: str, path: Path, folder: Path, rounds: int) -> Figures:
    """Medians; one start before them brings everything into the disk's cache."""
    return medians([_start(folder, name, path) for _ in range(rounds + 1)][1:])


def _start(folder: Path, name: str, path: Path) -> Figures:
    with serving(folder, configuration({name: path})) as server:
        first = asyncio.run(_first_token(server.url, Dialect(name)))
        usage = Usage.of(server.pid)
        return {
            "port_seconds": round(server.opened, 3),
            "first_token_seconds": round(server.ready + first, 3),
            "server_cpu_seconds": round(usage.server_cpu, 3),
            "engine_cpu_seconds": round(usage.engine_cpu, 3),
        }


async def _first_token(url: str, dialect: Dialect) -> float:
    client = Client(url)
    answer = await client.post(dialect.path, dialect.body("Hello", 1))
    client.close()
    assert not answer.error, answer.error
    return answer.first - answer.sent
