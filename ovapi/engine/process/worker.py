"""The child side of an engine process: ``python -m ovapi.engine.process.worker``.

Lifecycle: tie its life to the parent's → receive Load → Ready or LoadFailed → serve commands and
take steps, one message a step → exit at Stop or when the parent's end of the pipe closes.
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
from typing import Protocol

from ovapi import logs
from ovapi.core import GenerateRequest
from ovapi.engine.base import EngineInfo, EngineSpec, EngineStats
from ovapi.engine.genai.batching import StepFailed, Tagged
from ovapi.engine.load_error import LoadError, describe
from ovapi.engine.process.blocking_channel import BlockingChannel
from ovapi.engine.process.messages import (
    Cancel,
    Command,
    Detokenize,
    LoadFailed,
    LoadModel,
    Ready,
    Reply,
    RequestsLost,
    StepReport,
    Stop,
    Submit,
    Tokenize,
)
from ovapi.engine.text.input_processor import InputProcessor
from ovapi.errors import ApiError

log = logging.getLogger(__name__)

SIGN_OF_LIFE_SECONDS = 1.0
_PR_SET_PDEATHSIG = 1


class Batch(Protocol):
    """What the worker drives; see `Batcher`."""

    @property
    def busy(self) -> bool: ...

    @property
    def stats(self) -> EngineStats: ...

    @property
    def input_processor(self) -> InputProcessor: ...

    def submit(self, request: GenerateRequest, given: tuple[int, ...] = ()) -> None: ...

    def cancel(self, request_id: str) -> None: ...

    def step(self) -> list[Tagged]: ...


class Worker:
    """Commands in, steps, reports out: all in the engine process's only thread."""

    def __init__(self, channel: BlockingChannel, batch: Batch) -> None:
        self._channel = channel
        self._batch = batch
        self._reported = EngineStats()
        self._spoke = time.monotonic()

    def run(self) -> None:
        """Serve until Stop. Raises EOFError when the parent is gone."""
        while self._drain():
            if self._batch.busy:
                self._step()

    def _step(self) -> None:
        try:
            self._report(self._batch.step())
        except StepFailed as failed:
            self._channel.send(RequestsLost(failed.ids))

    def _drain(self) -> bool:
        """Take the commands that wait; wait for one if there is nothing else to do."""
        while not self._batch.busy or self._channel.poll(0):
            if not self._obey(self._channel.receive()):
                return False
        return True

    def _obey(self, command: Command) -> bool:
        match command:
            case Submit(request, given):
                with logs.about(request.names):
                    self._batch.submit(request, given)
            case Cancel(request_id):
                self._batch.cancel(request_id)
            case Tokenize() | Detokenize():
                with logs.about(command.subject):
                    self._channel.send(Reply(command.number, self._answer(command)))
            case Stop():
                return False
            case LoadModel():
                raise AssertionError("a worker loads one model")
        return True

    def _answer(self, command: Tokenize | Detokenize) -> tuple[int, ...] | str | ApiError:
        input_processor = self._batch.input_processor
        try:
            if isinstance(command, Tokenize):
                return tuple(input_processor.encode(command.prompt, command.add_special_tokens))
            return input_processor.decode(command.ids)
        except ApiError as error:
            return error
        except Exception:
            log.exception("a tokenization request failed")
            return ApiError("The tokenizer failed.")

    def _report(self, events: list[Tagged]) -> None:
        """One message for the whole step; if nothing has happened, a sign of life at times."""
        stats = self._batch.stats
        now = time.monotonic()
        if events or stats != self._reported or now - self._spoke > SIGN_OF_LIFE_SECONDS:
            self._channel.send(StepReport(tuple(events), stats))
            self._reported = stats
            self._spoke = now


def die_with(parent: int) -> None:
    """Have the kernel kill this process when the parent's spawning thread ends.

    The pipe's end does the same for an idle worker; this holds in the middle of a long step too.
    """
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it had died before
        sys.exit(1)


def _ignore_terminal_signals() -> None:
    """They reach the whole process group, but the parent decides when an engine ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)


def _load(spec: EngineSpec) -> tuple[Batch, EngineInfo] | LoadFailed:
    from ovapi.engine.genai.loader import load_batcher

    try:
        batcher, info = load_batcher(spec)
        if not batcher.probe():
            raise LoadError("the model loads but generates no token")
        return batcher, info
    except Exception as error:
        log.exception("model %s failed to load", spec.name)
        return LoadFailed(describe(error))


def serve(channel: BlockingChannel) -> None:
    """The worker's life between the first command and the last."""
    command = channel.receive()
    assert isinstance(command, LoadModel)
    logs.configure(command.spec.log_level, command.spec.log_format)
    loaded = _load(command.spec)
    if isinstance(loaded, LoadFailed):
        channel.send(loaded)
        return
    batch, info = loaded
    channel.send(Ready(info))
    Worker(channel, batch).run()


def main() -> None:
    parser = argparse.ArgumentParser(prog="ovapi.engine.process.worker")
    parser.add_argument("--fd", type=int, required=True)
    parser.add_argument("--parent", type=int, required=True)
    parser.add_argument("--model", help="for people who read the list of processes")
    arguments = parser.parse_args()
    _ignore_terminal_signals()
    die_with(arguments.parent)
    try:
        serve(BlockingChannel(socket.socket(fileno=arguments.fd)))
    except (EOFError, BrokenPipeError, ConnectionResetError):
        log.info("the server process exited")
    sys.stderr.flush()
    # OpenVINO's own clean-up takes its time and has nothing left to save
    os._exit(0)


if __name__ == "__main__":
    main()
