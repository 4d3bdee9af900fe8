"""How the server process's memory grows: with finished requests, and with open idle streams."""

from __future__ import annotations

import asyncio
import os
import resource
import signal
from pathlib import Path

import httpx
import psutil

from bench.connection import Client
from bench.figures import Figures
from bench.processes import MIB, Usage
from bench.server_process import ServerProcess
from bench.serving import configuration, serving
from bench.target import Target
from bench.workload import Dialect, Run, Workload

KEEPALIVE_SECONDS = 1


def memory(name: str, path: Path, folder: Path, requests: int, streams: int) -> Figures:
    """RSS in MiB after a start, after so many requests, and KiB for each idle stream."""
    more = {"max_running": 16, "max_queued": streams + 16}
    config = configuration({name: path}, {"keepalive_seconds": KEEPALIVE_SECONDS}, **more)
    _allow_files(2 * streams + 256)
    with serving(folder, config) as server:
        found: Figures = {"start_mib": _rss(server)}
        found |= _finished(Target(server.url, name), server, requests)
        found |= asyncio.run(_idle(server, Dialect(name), streams))
    return found


def _rss(server: ServerProcess) -> float:
    return round(Usage.of(server.pid).server_rss / MIB, 2)


def _allow_files(wanted: int) -> None:
    """Each stream is a connection; what starts from here inherits the limit."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(wanted, hard), hard))


def _finished(target: Target, server: ServerProcess, requests: int) -> Figures:
    """After four equal parts of them."""
    sizes = []
    for part in range(4):
        work = Workload(prompt_words=8, output_tokens=8, seed=part)
        found = target.run(Run(work, streams=16, requests=requests // 4))
        assert not found["errors"], found["errors"]
        sizes.append(_rss(server))
    return {"finished_requests": requests // 4 * 4, "finished_mib": sizes}


async def _idle(server: ServerProcess, dialect: Dialect, streams: int) -> Figures:
    """Streams that are open, with a comment from the server in them, while the engine stands."""
    (engine,) = psutil.Process(server.pid).children()
    client, before = Client(server.url), _rss(server)
    body = dialect.body("Hello", 3000)
    tasks = [asyncio.create_task(client.post(dialect.path, body)) for _ in range(streams)]
    async with httpx.AsyncClient(base_url=server.url, timeout=30) as health:
        while await _in_hand(health, dialect.model) < streams:  # noqa: ASYNC110
            await asyncio.sleep(0.2)
    os.kill(engine.pid, signal.SIGSTOP)
    await asyncio.sleep(3 * KEEPALIVE_SECONDS)
    each = (_rss(server) - before) * 1024 / streams
    os.kill(engine.pid, signal.SIGCONT)
    ended = sum(task.done() for task in tasks)
    for task in tasks:
        task.cancel()
    return {"idle_streams": streams - ended, "idle_kib_each": round(each, 1)}


async def _in_hand(client: httpx.AsyncClient, model: str) -> int:
    state = (await client.get("/health")).json()["models"][model]
    return int(state["running"] + state["waiting"])
