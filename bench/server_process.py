"""ServerProcess: the real program, started as its users start it, and watched from outside."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import psutil
import yaml

ROOT = Path(__file__).resolve().parent.parent
DEMO = "ovapi-demo"
PIRATE = ROOT / "models" / DEMO / "adapters" / "pirate"
TOKEN_BYTES = 2 * 5 * 2 * 4 * 32
"""Of the built-in model in the KV cache: keys and values, layers, 16 bits, heads, their size."""
START_SECONDS = 60
PAUSE = 0.01


class ServerProcess:
    """`python -m ovapi` on a free port of loopback, with the given configuration.

    A context manager: leaving it kills the process and its engines, whatever state they are in.
    `popen` are further arguments of subprocess.Popen. `opened` and `ready` are the seconds from
    its start to its open port and to the model last waited for.
    """

    def __init__(self, folder: Path, config: dict[str, Any] | None = None, **popen: Any) -> None:
        self.config_file = folder / "config.yaml"
        settings = {"models_dir": str(ROOT / "models"), **(config or {})}
        settings["logging"] = {"format": "text", **settings.get("logging", {})}
        settings["server"] = {"port": 0, **settings.get("server", {})}
        self.config_file.write_text(yaml.safe_dump(settings))
        self._log_file = folder / "server.log"
        self._popen = popen
        self.opened = self.ready = 0.0

    def __enter__(self) -> ServerProcess:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()
        engines = self.children() if self.process.poll() is None else []
        self.process.kill()
        self.process.wait()
        for engine in engines:
            with suppress(psutil.NoSuchProcess):
                engine.kill()

    def start(self) -> None:
        """Start the process and wait until its port is open."""
        self._started = time.perf_counter()
        with self._log_file.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "ovapi", "--config", str(self.config_file)],
                stdout=log,
                stderr=subprocess.STDOUT,
                **{"cwd": ROOT, **self._popen},
            )
        found = self.wait_for_log(r"listening on (https?:[\w.:/\[\]-]+)")
        self.url = found.group(1).rstrip("/")
        self.opened = time.perf_counter() - self._started
        # a client for each look would load the system's certificates each time: 25 ms of processor,
        # which the engine that one waits for would rather have
        self._client = httpx.Client(verify=False, limits=httpx.Limits(max_keepalive_connections=0))

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def log(self) -> str:
        return self._log_file.read_text(errors="replace")

    def wait_for_log(self, pattern: str, seconds: float = START_SECONDS) -> re.Match[str]:
        """The first match of `pattern` in what the process has printed."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if match := re.search(pattern, self.log):
                return match
            assert self.process.poll() is None, f"the server has ended:\n{self.log}"
            time.sleep(PAUSE)
        raise AssertionError(f"no {pattern!r} within {seconds} s in:\n{self.log}")

    def health(self) -> dict[str, Any]:
        body: dict[str, Any] = self._client.get(f"{self.url}/health", timeout=10).json()
        return body

    def wait_ready(self, model: str = DEMO, seconds: float = START_SECONDS) -> None:
        self.wait_until(lambda: self.health()["models"][model]["status"] == "ready", seconds)
        self.ready = time.perf_counter() - self._started

    def wait_idle(self, model: str = DEMO, seconds: float = 1.0) -> None:
        """Wait until no request of the model is running or waiting."""

        def idle() -> bool:
            state = self.health()["models"][model]
            return bool(state["running"] == 0 and state["waiting"] == 0)

        self.wait_until(idle, seconds)

    def wait_until(self, condition: Any, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while not condition():
            assert self.process.poll() is None, f"the server has ended:\n{self.log}"
            assert time.monotonic() < deadline, f"not within {seconds} s:\n{self.log}"
            time.sleep(PAUSE)

    def terminate(self, seconds: float = 30) -> int:
        """SIGTERM, then the exit status."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(seconds)

    def children(self) -> list[psutil.Process]:
        return psutil.Process(self.pid).children(recursive=True)
