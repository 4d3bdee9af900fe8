"""Serving, which is what the program does unless it is told something else."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from ovapi import logs
from ovapi.config.settings import Config
from ovapi.config.values.host import shown
from ovapi.serving.metrics.process_memory import give_back_large_blocks


def serve(config: Config, read: Callable[[], Config]) -> int:
    logs.configure(config.logging.level, logs.choose(config.logging.format))
    give_back_large_blocks()
    try:
        asyncio.run(_run(config, read))
    except OSError as error:
        own = f"{shown(config.server.host)}:{config.server.port}"
        where = "the sockets of LISTEN_FDS" if config.systemd.sockets else own
        logging.getLogger("ovapi").error("cannot listen on %s: %s", where, error.strerror)
        return 1
    return 0


async def _run(config: Config, read: Callable[[], Config]) -> None:
    from ovapi.server import Server  # after the arguments are read: --help stays quick

    await Server(config, read).run()
