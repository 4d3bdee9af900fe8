"""Log lines that nobody reads, or that cannot be written, hold up nobody."""

from __future__ import annotations

import json
import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import psutil
import pytest
import yaml

from bench.server_process import DEMO, ROOT
from ovapi.log_writer import LogWriter

PIPE_BYTES = 64 * 1024


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    ends = os.pipe()
    yield ends
    for end in ends:
        os.close(end)


def record(text: str) -> logging.LogRecord:
    return logging.LogRecord("test", logging.INFO, "", 0, text, None, None)


def lines_of(end: int, seconds: float = 5) -> list[str]:
    """What can be read until nothing new has come for a while."""
    os.set_blocking(end, False)
    found, last = b"", time.monotonic()
    while time.monotonic() - last < 0.3 and seconds > 0:
        try:
            found += os.read(end, 2**20)
            last = time.monotonic()
        except BlockingIOError:
            time.sleep(0.01)
    return found.decode().splitlines()


def test_lines_come_in_order(pipe: tuple[int, int]) -> None:
    writer = LogWriter(pipe[1])
    for number in range(100):
        writer.handle(record(str(number)))
    writer.flush()
    assert lines_of(pipe[0]) == [str(number) for number in range(100)]
    assert writer.dropped == 0


def test_a_pipe_that_nobody_reads_drops_lines_and_says_so(pipe: tuple[int, int]) -> None:
    writer = LogWriter(pipe[1], max_bytes=10_000)
    started = time.monotonic()
    for _ in range(2_000):
        writer.handle(record("x" * 99))
    assert time.monotonic() - started < 5
    assert writer.dropped > 1_000
    lines = lines_of(pipe[0])
    writer.handle(record("there is room again"))
    writer.flush()
    lines += lines_of(pipe[0])
    reported = sum(int(line.split()[0]) for line in lines if "were dropped" in line)
    assert reported == writer.dropped == 2_000 - lines.count("x" * 99)
    assert lines[-1] == "there is room again"


def test_a_descriptor_that_cannot_be_written(tmp_path: Path) -> None:
    descriptor = os.open(tmp_path, os.O_RDONLY)  # a folder
    writer = LogWriter(descriptor)
    writer.handle(record("lost"))
    writer.flush()
    assert writer.dropped == 1
    os.close(descriptor)


def test_what_cannot_be_formatted_is_dropped(pipe: tuple[int, int]) -> None:
    writer = LogWriter(pipe[1])
    writer.handle(logging.LogRecord("test", logging.INFO, "", 0, "%d", ("x",), None))
    writer.handle(record("\ud800"))
    writer.flush()
    assert writer.dropped == 1
    assert lines_of(pipe[0])[-1] == "\\ud800"


@pytest.fixture
def config(tmp_path: Path) -> Path:
    file = tmp_path / "config.yaml"
    settings = {
        "models_dir": str(ROOT / "models"),
        "server": {"port": 0},
        "logging": {"format": "text"},
        "models": [{"name": DEMO}],
    }
    file.write_text(yaml.safe_dump(settings))
    return file


def start(config: Path, stderr: int, shell: str = '"$@"') -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "ovapi", "--config", str(config)]
    return subprocess.Popen(["sh", "-c", f"exec {shell}", "sh", *command], cwd=ROOT, stderr=stderr)


def url_of(process: subprocess.Popen[bytes]) -> str:
    """Where it listens, told by the kernel: its log may be out of reach."""
    for _ in range(600):
        for connection in psutil.Process(process.pid).net_connections("tcp4"):
            if connection.status == psutil.CONN_LISTEN:
                return f"http://127.0.0.1:{connection.laddr.port}"
        time.sleep(0.05)
    raise AssertionError("it does not listen")


def flood(url: str) -> None:
    """More log lines than a pipe holds: paths of 150 characters, one line each."""
    with httpx.Client(timeout=10) as client:
        for number in range(3 * PIPE_BYTES // 250):
            client.get(f"{url}/{'x' * 150}{number}")


@pytest.mark.engine
def test_a_server_whose_log_nobody_reads_goes_on(config: Path, pipe: tuple[int, int]) -> None:
    process = start(config, pipe[1])
    try:
        url = url_of(process)
        flood(url)
        assert httpx.get(f"{url}/health", timeout=5).status_code == 200
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
    finally:
        process.kill()
        process.wait()


@pytest.mark.engine
@pytest.mark.parametrize("shell", ['"$@" 2>&-', '"$@" 2>/dev/full'], ids=["closed", "full"])
def test_a_server_that_cannot_log_serves(config: Path, shell: str) -> None:
    process = start(config, subprocess.DEVNULL, shell)
    try:
        url = url_of(process)
        for _ in range(600):
            if httpx.get(f"{url}/ready").status_code == 200:
                break
            time.sleep(0.05)
        body = {"messages": [{"role": "user", "content": "Hi"}], "max_tokens": 3}
        answer = httpx.post(f"{url}/v1/chat/completions", json=body, timeout=30)
        assert answer.status_code == 200, answer.text
        assert json.loads(answer.text)["usage"]["completion_tokens"] == 3
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
    finally:
        process.kill()
        process.wait()
