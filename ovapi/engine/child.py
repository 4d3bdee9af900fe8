"""Child: an engine process as its parent holds it: the process, the pipe, the writer."""

from __future__ import annotations

import os
import queue
import socket
import subprocess
import sys
import threading
from pathlib import Path

import ovapi
from ovapi.engine.base import EngineSpec
from ovapi.engine.pipe import Pipe
from ovapi.engine.protocol import Command, Load, Report, Stop

_EXIT_SECONDS = 5.0


class Child:
    """One process from spawn to reaping.

    The supervisor's thread makes it, receives and reaps; any thread may `send` and `kill`. A
    thread of its own writes: while the child is in a long step the pipe fills up, and a write
    would block.
    """

    def __init__(self, spec: EngineSpec) -> None:
        ours, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(
                _command_line(theirs.fileno(), spec.name),
                stdin=subprocess.DEVNULL,
                pass_fds=(theirs.fileno(),),
                env=environment(),
            )
        self._pipe = Pipe(ours)
        self._commands: queue.SimpleQueue[Command | None] = queue.SimpleQueue()
        self._writer = threading.Thread(target=self._write, name="ovapi-writer", daemon=True)
        self._writer.start()
        self.send(Load(spec))

    @property
    def pid(self) -> int:
        return self._process.pid

    def send(self, command: Command) -> None:
        """Never blocks; a command to a dead child is lost, as its answer would be."""
        self._commands.put(command)

    def _write(self) -> None:
        while (command := self._commands.get()) is not None:
            try:
                self._pipe.send(command)
            except OSError:
                return  # the receiver sees the end of the pipe too, and reports it

    def poll(self, seconds: float) -> bool:
        """Whether a report, or the end of the pipe, comes within `seconds`."""
        return self._pipe.poll(seconds)

    def receive(self) -> Report:
        """Block for the next report. Raises EOFError when the child has gone."""
        try:
            report: Report = self._pipe.receive()
        except OSError:
            raise EOFError from None
        return report

    def stop(self) -> None:
        """Ask it to exit."""
        self.send(Stop())

    def kill(self) -> None:
        self._process.kill()

    def reap(self) -> int:
        """Wait for the exit, with force in the end; close the pipe; return the exit status."""
        try:
            status = self._process.wait(_EXIT_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            status = self._process.wait()
        self._commands.put(None)
        self._writer.join(_EXIT_SECONDS)
        self._pipe.close()
        return status


def _command_line(fd: int, model: str) -> list[str]:
    arguments = [f"--fd={fd}", f"--parent={os.getpid()}", f"--model={model}"]
    return [sys.executable, "-P", "-m", "ovapi.engine.worker", *arguments]


def environment() -> dict[str, str]:
    """The child must find this very package, wherever the parent was started."""
    root = str(Path(ovapi.__file__).resolve().parents[1])
    inherited = os.environ.get("PYTHONPATH")
    path = f"{root}{os.pathsep}{inherited}" if inherited else root
    return {**os.environ, "PYTHONPATH": path}
