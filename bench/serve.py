"""Server: ovapi as its users start it, for a measurement."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import httpx
import yaml

ROOT = Path(__file__).resolve().parent.parent
START_SECONDS = 300


def write_config(
    folder: Path,
    models: dict[str, Path],
    server: dict[str, Any] | None = None,
    own: dict[str, dict[str, Any]] | None = None,
    **settings: Any,
) -> Path:
    """One that serves these models.

    `server`, `settings` of each model and `own` of some are what is not to be as by default.
    """
    own = own or {}
    document = {
        "server": {"port": 0, **(server or {})},
        "models_dir": str(folder / "none"),
        "models": [
            {"name": name, "path": str(at), **settings, **own.get(name, {})}
            for name, at in models.items()
        ],
        "logging": {"format": "text"},
    }
    path = folder / "config.yaml"
    path.write_text(yaml.safe_dump(document), encoding="utf-8")
    return path


class Server:
    """A context manager: the server is ready inside of it, and ended after it.

    `opened` and `ready` are the seconds from its start to its open port and to its loaded models.
    """

    def __init__(self, config: Path) -> None:
        self._log = config.with_suffix(".log")
        self._config = config

    def __enter__(self) -> Server:
        started = time.perf_counter()
        command = [sys.executable, "-m", "ovapi", "--config", str(self._config)]
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=log)
        self.url = self._find(r"listening on (http:[\w.:/\[\]-]+)")
        self.opened = time.perf_counter() - started
        while httpx.get(f"{self.url}/ready", timeout=5).status_code != 200:
            self._check(started)
            time.sleep(0.02)
        self.ready = time.perf_counter() - started
        return self

    def _find(self, pattern: str) -> str:
        started = time.perf_counter()
        while not (found := re.search(pattern, self._log.read_text())):
            self._check(started)
            time.sleep(0.005)
        return found.group(1).rstrip("/")

    def _check(self, started: float) -> None:
        late = time.perf_counter() - started > START_SECONDS
        if late or self._process.poll() is not None:
            raise SystemExit(f"the server has not started:\n{self._log.read_text()[-2000:]}")

    @property
    def pid(self) -> int:
        return self._process.pid

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
