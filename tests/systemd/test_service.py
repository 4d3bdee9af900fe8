"""systemd's side, played: sockets passed, credentials read, datagrams received; and its files."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import httpx
import pytest
import yaml

from bench.server_process import DEMO, ROOT
from ovapi.config.loader import load
from ovapi.config.settings import ModelConfig
from ovapi.core import Accepted, GenerateRequest, SamplingParams, TextPrompt
from ovapi.serving.model import Model
from ovapi.systemd.watchdog import STUCK_SECONDS, Progress
from tests.support.fake_engine import FakeEngine

UNIT = ROOT / "systemd" / "ovapi.service"
KEY = "a-key-of-the-credential"

LAUNCH = """
import os, sys
os.dup2(int(sys.argv[1]), 3)
os.environ["LISTEN_PID"] = str(os.getpid())
os.execv(sys.argv[2], sys.argv[2:])
"""
"""What systemd does between fork and exec: the socket is number 3, and the process knows its id."""


class Systemd:
    """Starts the unit's own command line as systemd would, and hears what the service says."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.config = folder / "config.yaml"
        self.config.write_text(yaml.safe_dump({"models_dir": str(ROOT / "models")}))
        (folder / "ovapi-keys").write_text(KEY)
        self.notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.notify.bind(str(folder / "notify"))
        self.notify.settimeout(60)
        self.listening = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.listening.getsockname()[1]}"

    def start(self) -> None:
        environment = {
            **os.environ,
            "NOTIFY_SOCKET": str(self.folder / "notify"),
            "LISTEN_FDS": "1",
            "CREDENTIALS_DIRECTORY": str(self.folder),
            "WATCHDOG_USEC": "400000",
        }
        passed = self.listening.fileno()
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-c", LAUNCH, str(passed), *command_line(self.config)],
                cwd=ROOT, env=environment, pass_fds=[passed], stdout=log, stderr=log,
            )  # fmt: skip

    def wait_for(self, field: str) -> str:
        """The first message that holds `field`."""
        while True:
            message = self.notify.recv(4096).decode()
            if field in message:
                return message

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        self.notify.close()
        self.listening.close()


def command_line(config: Path) -> Sequence[str]:
    """ExecStart of the unit, with this interpreter and this configuration."""
    found = re.search(r"^ExecStart=(.*)$", UNIT.read_text(), re.MULTILINE)
    assert found is not None
    python, *arguments = found.group(1).split()
    assert python.endswith("/python")
    return [sys.executable, *(str(config) if "/" in one else one for one in arguments)]


@pytest.fixture
def systemd(tmp_path: Path) -> Iterator[Systemd]:
    one = Systemd(tmp_path)
    yield one
    one.close()


@pytest.mark.engine
def test_a_life_under_systemd(systemd: Systemd) -> None:
    answers: list[httpx.Response] = []
    early = threading.Thread(
        target=lambda: answers.append(httpx.get(f"{systemd.url}/health", timeout=60))
    )
    early.start()  # nobody has been started yet: the connection waits
    systemd.start()
    assert re.fullmatch(f"READY=1\nSTATUS={DEMO} (loading|ready)", systemd.wait_for("READY=1"))
    early.join()
    assert answers[0].status_code == 200
    assert systemd.wait_for("WATCHDOG=1") == "WATCHDOG=1"
    systemd.wait_for(f"STATUS={DEMO} ready")
    models = f"{systemd.url}/v1/models"
    assert httpx.get(models).status_code == 401
    assert httpx.get(models, headers={"Authorization": f"Bearer {KEY}"}).status_code == 200
    systemd.process.send_signal(signal.SIGTERM)
    assert systemd.wait_for("STOPPING=1").startswith("STOPPING=1\nSTATUS=stopping")
    assert systemd.process.wait(30) == 0
    assert KEY not in (systemd.folder / "log").read_text()


@pytest.mark.engine
def test_a_connection_waits_across_a_restart(systemd: Systemd) -> None:
    systemd.start()
    systemd.wait_for("READY=1")
    systemd.process.send_signal(signal.SIGTERM)
    assert systemd.process.wait(30) == 0
    with socket.create_connection(systemd.listening.getsockname()) as waiting:
        waiting.sendall(b"GET /health HTTP/1.0\r\nHost: localhost\r\n\r\n")
        systemd.start()
        waiting.settimeout(60)
        assert waiting.recv(100).startswith(b"HTTP/1.1 200")


def test_what_is_meant_for_another_process_is_left_alone(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / "config.yaml"
    file.write_text("")
    for name, value in {"LISTEN_FDS": "2", "LISTEN_PID": "1", "WATCHDOG_PID": "1"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("WATCHDOG_USEC", "30000000")
    monkeypatch.setenv("NOTIFY_SOCKET", "/run/notify")
    assert load(file).systemd.sockets == 0
    assert load(file).systemd.watchdog_seconds is None
    monkeypatch.setenv("LISTEN_PID", str(os.getpid()))
    monkeypatch.setenv("WATCHDOG_PID", str(os.getpid()))
    systemd = load(file).systemd
    assert (systemd.notify, systemd.sockets, systemd.watchdog_seconds) == ("/run/notify", 2, 30)


def test_an_engine_that_stands_still_is_told_from_one_that_does_not() -> None:
    engine, clock = FakeEngine(), [0.0]
    model = Model(ModelConfig("m", Path("m")), engine)
    progress = Progress([model], lambda: clock[0])

    def stuck_after(seconds: float) -> bool:
        clock[0] += seconds
        return progress.stuck() is not None

    assert not stuck_after(2 * STUCK_SECONDS)  # nothing to do
    stream = model.generate([GenerateRequest("r", TextPrompt("x"), SamplingParams())])
    assert not stuck_after(1)
    assert stuck_after(STUCK_SECONDS)
    engine.sinks["r"](Accepted(1))
    assert not stuck_after(1)
    assert stuck_after(STUCK_SECONDS)
    stream.close()
    assert not stuck_after(STUCK_SECONDS)


# --- the files ---


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="no systemd here")
def test_the_unit_is_exposed_to_little() -> None:
    result = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", "--threshold=20", str(UNIT)],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    found = re.search(r"Overall exposure level for ovapi.service: ([\d.]+)", result.stdout)
    assert found is not None, result.stdout + result.stderr
    assert float(found.group(1)) <= 2.0


def test_the_socket_is_where_the_configuration_listens() -> None:
    found = re.search(r"^ListenStream=(.*)$", (ROOT / "systemd/ovapi.socket").read_text(), re.M)
    server = load(ROOT / "config.yaml").server
    assert found is not None
    assert found.group(1) == f"{server.host}:{server.port}"


def test_what_is_installed_is_gone_afterwards(tmp_path: Path) -> None:
    def run(script: str, *arguments: str) -> None:
        environment = {**os.environ, "DESTDIR": str(tmp_path)}
        subprocess.run([ROOT / "systemd" / script, *arguments], check=True, env=environment)

    run("install.sh")
    keys, file = tmp_path / "etc/ovapi/keys", tmp_path / "etc/ovapi/config.yaml"
    assert keys.stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "etc/systemd/system/ovapi.socket").is_file()
    assert load(file).compile_cache == Path("/var/cache/ovapi")
    assert "models_dir: /opt/ovapi/models" in file.read_text()
    keys.write_text("mine")
    run("install.sh")
    assert keys.read_text() == "mine"
    run("uninstall.sh")
    left = {str(one.relative_to(tmp_path)) for one in tmp_path.rglob("*") if one.is_file()}
    assert left == {"etc/ovapi/config.yaml", "etc/ovapi/keys", "etc/ovapi/environment"}
    run("uninstall.sh", "--purge")
    assert not [one for one in tmp_path.rglob("*") if one.is_file()]
