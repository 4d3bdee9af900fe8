"""The sockets that systemd passes: only those that listen will do."""

from __future__ import annotations

import socket
from dataclasses import replace

import pytest

from ovapi.config.loader import load
from ovapi.http.connection import listening
from ovapi.http.connection.listening import open_sockets


def passed(one: socket.socket, monkeypatch: pytest.MonkeyPatch) -> list[socket.socket]:
    """What the server makes of a socket of systemd."""
    config = load(None)
    monkeypatch.setattr(listening, "FIRST_SOCKET", one.detach())
    return open_sockets(replace(config, systemd=replace(config.systemd, sockets=1)))


def test_a_listening_socket_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    (taken,) = passed(socket.create_server(("127.0.0.1", 0)), monkeypatch)
    with taken:
        assert taken.getblocking() is False


@pytest.mark.parametrize("kind", [socket.SOCK_STREAM, socket.SOCK_DGRAM])
def test_one_that_does_not_listen_is_refused(
    monkeypatch: pytest.MonkeyPatch, kind: socket.SocketKind
) -> None:
    one = socket.socket(type=kind)
    one.bind(("127.0.0.1", 0))
    with pytest.raises(OSError, match="is no listening stream socket"):
        passed(one, monkeypatch)
