"""Child: an engine process as its parent holds it."""

from __future__ import annotations

import os
import select
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path
from typing import Literal

import ovapi
from ovapi.engine.base import EngineSpec
from ovapi.engine.process.channels import AsyncChannel
from ovapi.engine.process.oom_kills import oom_kills

_EXIT_SECONDS = 5.0


class Child:
    """One process from spawn to reaping.

    The supervisor's thread makes it and reaps it, any thread may `kill`; `channel`, `state` and the
    setting of `ended` are the event loop's.
    """

    def __init__(self, spec: EngineSpec) -> None:
        self.end, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(
                _command_line(theirs.fileno(), spec.name),
                stdin=subprocess.DEVNULL,
                pass_fds=(theirs.fileno(),),
                env=environment(),
            )
        self.channel: AsyncChannel | None = None
        self.state: Literal["loading", "ready", "failed"] = "loading"
        self.stalled = False
        """It was killed for its silence."""
        self._oom_kills = oom_kills()
        self.ended = threading.Event()
        """Nothing more will come from it."""

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def speaks(self) -> bool:
        """Something has come from it that the loop has not read yet. Not after `ended`."""
        look = select.poll()
        look.register(self.end, select.POLLIN)
        return bool(look.poll(0))

    def kill(self) -> None:
        self._process.kill()

    def killed_on_purpose(self, status: int) -> bool:
        """Whether it has ended with `status` by a SIGKILL that is neither ours nor the kernel's."""
        ours = self.stalled or oom_kills() > self._oom_kills
        return status == -signal.SIGKILL and not ours

    def reap(self) -> int:
        """Wait for the exit, with force in the end; close the pipe; return the exit status."""
        try:
            status = self._process.wait(_EXIT_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            status = self._process.wait()
        self.end.close()
        return status


def _command_line(fd: int, model: str) -> list[str]:
    arguments = [f"--fd={fd}", f"--parent={os.getpid()}", f"--model={model}"]
    return [sys.executable, "-P", "-m", "ovapi.engine.process.worker", *arguments]


def environment() -> dict[str, str]:
    """The child must find this very package, wherever the parent was started."""
    root = str(Path(ovapi.__file__).resolve().parents[1])
    inherited = os.environ.get("PYTHONPATH")
    path = f"{root}{os.pathsep}{inherited}" if inherited else root
    return {**os.environ, "PYTHONPATH": path}
