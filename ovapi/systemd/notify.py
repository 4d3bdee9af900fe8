"""Notifier: tells systemd how the server is, by the sd_notify protocol.

Without a socket address, on a terminal say, every message goes nowhere.
"""

from __future__ import annotations

import logging
import socket

log = logging.getLogger("ovapi.systemd.notify")


class Notifier:
    """Sends datagrams to the socket that systemd names in NOTIFY_SOCKET (sd_notify(3))."""

    def __init__(self, address: str | None) -> None:
        # A leading @ stands for the NUL byte of an abstract socket.
        self._address = "\0" + address[1:] if address and address.startswith("@") else address

    def ready(self, status: str) -> None:
        """Start-up is complete: systemd starts what waits for this unit."""
        self._send("READY=1", f"STATUS={status}")

    def stopping(self, status: str) -> None:
        self._send("STOPPING=1", f"STATUS={status}")

    def status(self, status: str) -> None:
        """One line for `systemctl status`."""
        self._send(f"STATUS={status}")

    def watchdog(self) -> None:
        """The server is well; without this for WatchdogSec systemd restarts it."""
        self._send("WATCHDOG=1")

    def _send(self, *fields: str) -> None:
        if not self._address:
            return
        message = "\n".join(field.replace("\n", " ") for field in fields).encode()
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sock:
                sock.connect(self._address)
                sock.send(message, socket.MSG_DONTWAIT)
        except OSError as error:
            log.warning("cannot notify systemd: %s", error)
