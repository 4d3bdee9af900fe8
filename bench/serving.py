"""Servers for measurements: the models that they serve, and all of them loaded."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bench.server_process import ServerProcess

LOAD_SECONDS = 300


def configuration(
    models: dict[str, Path],
    server: dict[str, Any] | None = None,
    own: dict[str, dict[str, Any]] | None = None,
    **settings: Any,
) -> dict[str, Any]:
    """One that serves these models alone.

    `server`, `settings` of each model and `own` of some are what is not to be as by default.
    """
    own = own or {}
    return {
        "server": server or {},
        "models_dir": "none",
        "models": [
            {"name": name, "path": str(at.resolve()), **settings, **own.get(name, {})}
            for name, at in models.items()
        ],
    }


@contextmanager
def serving(folder: Path, config: dict[str, Any]) -> Iterator[ServerProcess]:
    """A server with all of its models loaded; its files are in `folder`."""
    with ServerProcess(folder, config) as server:
        for model in config["models"]:
            server.wait_ready(model["name"], LOAD_SECONDS)
        yield server
