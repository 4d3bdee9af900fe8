"""The child side of an engine process: ``python -m ovapi.engine.process.worker``.

Lifecycle: tie its life to the parent's → receive LoadModel → Ready or LoadFailed → obey commands
and take steps → exit at Stop or when the parent's end of the pipe closes.
"""

from __future__ import annotations

import argparse
import ctypes
import logging
import os
import signal
import socket
import sys
import time

from ovapi import logs
from ovapi.engine.base import EngineInfo, EngineSpec
from ovapi.engine.factory import load_workload
from ovapi.engine.load_error import describe
from ovapi.engine.process.channels import BlockingChannel
from ovapi.engine.process.messages import Alive, LoadFailed, LoadModel, Ready, Stop
from ovapi.engine.process.workload import LoadWorkload, Workload

log = logging.getLogger(__name__)

SIGN_OF_LIFE_SECONDS = 1.0
_COMMAND_SECONDS = 0.005  # between two steps
_PR_SET_PDEATHSIG = 1
OF_GROUP = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2)


class Worker:
    """Commands in, steps, reports out: in the engine process's main thread, which alone obeys and
    steps. It is its workload's `Outlet`."""

    def __init__(self, channel: BlockingChannel) -> None:
        self._channel = channel
        self._spoke = time.monotonic()

    def serve(self, load: LoadWorkload) -> None:
        """From the first command to the last. Raises EOFError when the parent is gone."""
        command = self._channel.receive()
        assert isinstance(command, LoadModel)
        logs.configure(command.spec.log_level, command.spec.log_format)
        loaded = self._load(load, command.spec)
        if isinstance(loaded, LoadFailed):
            self.send(loaded)
            return
        workload, info = loaded
        self.send(Ready(info))
        while self._obey_waiting(workload):
            if workload.busy:
                workload.step()
                self._show_life()

    def _load(
        self, load: LoadWorkload, spec: EngineSpec
    ) -> tuple[Workload, EngineInfo] | LoadFailed:
        try:
            return load(spec, self)
        except Exception as error:
            log.exception("model %s failed to load", spec.name)
            return LoadFailed(describe(error))

    def _obey_waiting(self, workload: Workload) -> bool:
        """Take the commands that wait, or wait for one if there is nothing else to do.

        False after Stop.
        """
        until = time.monotonic() + _COMMAND_SECONDS
        while self._has_command(workload):
            command = self._channel.receive()
            if isinstance(command, Stop):
                return False
            workload.handlers[type(command)](command)
            if workload.busy and time.monotonic() > until:
                break
        return True

    def _has_command(self, workload: Workload) -> bool:
        """Wait for a command; false when the workload has become busy and there is none."""
        while not workload.busy:
            if self._channel.poll(SIGN_OF_LIFE_SECONDS if workload.working else None):
                return True
            if workload.working:
                self._show_life()
        return self._channel.poll(0)

    def wake(self) -> None:
        self._channel.wake()

    def send(self, report: object) -> None:
        self._channel.send(report)
        self._spoke = time.monotonic()

    def _show_life(self) -> None:
        if time.monotonic() - self._spoke > SIGN_OF_LIFE_SECONDS:
            self.send(Alive())


def die_with(parent: int) -> None:
    """Have the kernel kill this process when the parent's spawning thread ends.

    The pipe's end does the same for an idle worker; this holds in the middle of a long step too.
    """
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it had died before
        sys.exit(1)


def ignore_signals_of_group() -> None:
    """They reach the whole process group, but the parent decides when an engine ends.

    SIGQUIT stays: whoever sends it wants a core.
    """
    for number in OF_GROUP:
        signal.signal(number, signal.SIG_IGN)


def main() -> None:
    parser = argparse.ArgumentParser(prog="ovapi.engine.process.worker")
    parser.add_argument("--fd", type=int, required=True)
    parser.add_argument("--parent", type=int, required=True)
    parser.add_argument("--model", help="for people who read the list of processes")
    arguments = parser.parse_args()
    ignore_signals_of_group()
    die_with(arguments.parent)
    try:
        Worker(BlockingChannel(socket.socket(fileno=arguments.fd))).serve(load_workload)
    except (EOFError, BrokenPipeError, ConnectionResetError):
        log.info("the server process exited")
    logs.flush()
    # OpenVINO's own clean-up takes its time and has nothing left to save
    os._exit(0)


if __name__ == "__main__":
    main()
