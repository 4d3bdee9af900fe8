import logging
import socket
from pathlib import Path

import pytest

from ovapi.systemd.notify import Notifier


@pytest.fixture
def listener(tmp_path: Path) -> socket.socket:
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    sock.bind(str(tmp_path / "notify"))
    sock.settimeout(5)
    return sock


def test_each_message_is_one_datagram(listener: socket.socket) -> None:
    with listener:
        notifier = Notifier(listener.getsockname())
        notifier.ready("serving\n2 models")
        notifier.watchdog()
        notifier.stopping("draining")
        messages = [listener.recv(1000).decode() for _ in range(3)]
    assert messages == [
        "READY=1\nSTATUS=serving 2 models",
        "WATCHDOG=1",
        "STOPPING=1\nSTATUS=draining",
    ]


def test_an_abstract_socket_is_reached() -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.bind("\0ovapi-test-notify")
        sock.settimeout(5)
        Notifier("@ovapi-test-notify").status("fine")
        assert sock.recv(100) == b"STATUS=fine"


def test_no_address_is_no_error() -> None:
    Notifier(None).ready("serving")


def test_a_dead_socket_is_logged_and_survived(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        Notifier(str(tmp_path / "absent")).ready("serving")
    assert "cannot notify systemd" in caplog.text
