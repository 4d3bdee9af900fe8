"""Files of a configuration that never answer: nobody waits for them."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from bench.server_process import ROOT, ServerProcess
from ovapi import server
from ovapi.config.background import in_background
from ovapi.config.loader import load
from ovapi.config.values.files import MAX_BYTES, read_text
from ovapi.config.yaml_document import ConfigError
from ovapi.server import Server


def test_what_is_no_file_is_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    for path in (tmp_path / "fifo", Path("/dev/zero")):
        with pytest.raises(ValueError, match="is not a regular file"):
            read_text(path)
    with pytest.raises(ConfigError, match="fifo: cannot be read: is not a regular file"):
        load(tmp_path / "fifo")
    file = tmp_path / "config.yaml"
    file.write_text("auth: {keys_file: fifo}\n")
    with pytest.raises(ConfigError, match=r"auth.keys_file \(line 1\).*is not a regular file"):
        load(file)


def test_a_file_without_end_is_refused(tmp_path: Path) -> None:
    (tmp_path / "huge").touch()
    os.truncate(tmp_path / "huge", MAX_BYTES + 1)
    with pytest.raises(ValueError, match="has more than 16 MiB"):
        read_text(tmp_path / "huge")


@pytest.mark.engine
def test_a_reload_with_a_fifo_is_no_last_one(tmp_path: Path) -> None:
    keys = tmp_path / "keys"
    keys.write_text("secret\n")
    settings = {"models": "none", "auth": {"keys_file": "keys"}}
    with ServerProcess(tmp_path, settings) as running:
        keys.unlink()
        os.mkfifo(keys)
        running.process.send_signal(1)
        running.wait_for_log("ERROR.*reload failed.*keys_file.*is not a regular file", 20)
        keys.unlink()
        keys.write_text("secret\nanother\n")
        running.process.send_signal(1)
        running.wait_for_log("configuration reloaded; keys: 2", 20)
        assert running.terminate() == 0


async def test_a_reload_gives_up_a_file_that_does_not_answer(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(server, "READ_SECONDS", 0.1)
    answer = threading.Event()
    running = object.__new__(Server)
    running._load = answer.wait  # type: ignore[assignment]
    try:
        assert await running._read() is None
    finally:
        answer.set()
    assert "keeping the current configuration: it could not be read within 0.1 s" in caplog.text


async def test_whatever_a_file_raises_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    running = object.__new__(Server)
    running._load = lambda: [][1]
    assert await running._read() is None
    (record,) = caplog.records
    assert record.getMessage() == "reload failed, keeping the current configuration"
    assert record.exc_info is not None
    assert isinstance(record.exc_info[1], IndexError)


async def test_what_is_read_in_the_background_comes_back() -> None:
    assert await in_background(lambda: 7, "test") == 7
    with pytest.raises(ZeroDivisionError):
        await in_background(lambda: 1 // 0, "test")


WAITS = """
import asyncio, threading
from ovapi.config.background import in_background

async def main():
    async with asyncio.timeout(0.1):
        await in_background(threading.Event().wait, "test")

try:
    asyncio.run(main())
except TimeoutError:
    print("given up", flush=True)
"""


def test_the_exit_waits_for_no_file() -> None:
    start = time.monotonic()
    result = subprocess.run(
        [sys.executable, "-c", WAITS],
        cwd=ROOT, capture_output=True, text=True, timeout=20, check=True,
    )  # fmt: skip
    assert result.stdout == "given up\n"
    assert result.stderr == ""
    assert time.monotonic() - start < 15
