"""Signals of the first second do what they do later."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest
import yaml

from bench.server_process import DEMO, ROOT, ServerProcess
from soak.client.prompts import GREETING, chat

pytestmark = pytest.mark.engine

HELD = sum(1 << number - 1 for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP))


def start(folder: Path, *options: str) -> subprocess.Popen[str]:
    """The program, stopped in the first moment in which it holds the signals back."""
    text = yaml.safe_dump({"server": {"port": 0}, "models": "none"})
    (folder / "config.yaml").write_text(text)
    process = subprocess.Popen(
        [sys.executable, "-m", "ovapi", "--config", str(folder / "config.yaml"), *options],
        cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    holds(process)
    process.send_signal(signal.SIGSTOP)
    return process


def holds(process: subprocess.Popen[str]) -> None:
    """Return once the process holds the signals back."""
    deadline = time.monotonic() + 10
    while blocked(process) & HELD != HELD:
        assert time.monotonic() < deadline, process.kill()
        time.sleep(0.001)


def blocked(process: subprocess.Popen[str]) -> int:
    status = Path(f"/proc/{process.pid}/status").read_text()
    found = re.search(r"^SigBlk:\s*(\w+)$", status, re.MULTILINE)
    assert found is not None
    return int(found.group(1), 16)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_an_early_stop_is_a_stop(tmp_path: Path, number: signal.Signals) -> None:
    process = start(tmp_path)
    process.send_signal(number)
    process.send_signal(signal.SIGCONT)
    output, _ = process.communicate(timeout=30)
    assert process.returncode == 0
    assert "stopped" in output
    assert "Traceback" not in output


def test_an_early_reload_is_a_reload(tmp_path: Path) -> None:
    process = start(tmp_path)
    process.send_signal(signal.SIGHUP)
    process.send_signal(signal.SIGCONT)
    assert process.stdout is not None
    assert any("configuration reloaded" in line for line in iter(process.stdout.readline, ""))
    process.terminate()
    process.communicate(timeout=30)
    assert process.returncode == 0


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2])
def test_a_signal_to_the_group_ends_no_engine(tmp_path: Path, number: signal.Signals) -> None:
    with ServerProcess(tmp_path) as server:
        server.wait_ready()
        (worker,) = [one for one in server.children() if "worker" in " ".join(one.cmdline())]
        worker.send_signal(number)
        url = f"{server.url}/v1/chat/completions"
        answer = httpx.post(url, json=chat(GREETING, max_tokens=2), timeout=60)
        assert answer.status_code == 200
        assert worker.is_running()
        assert server.health()["models"][DEMO]["status"] == "ready"
        assert server.terminate() == 0


def test_what_does_not_serve_can_be_interrupted(tmp_path: Path) -> None:
    process = start(tmp_path, "--check")
    process.send_signal(signal.SIGTERM)
    process.send_signal(signal.SIGCONT)
    output, _ = process.communicate(timeout=30)
    assert process.returncode == -signal.SIGTERM
    assert output == ""  # it has ended before it read the file
