"""The sockets that the server listens on, and whether they are reached from this machine alone."""

from __future__ import annotations

import errno
import ipaddress
import socket
from collections.abc import Iterable

from tornado.netutil import bind_sockets

from ovapi.config.settings import FIRST_SOCKET, Config

BACKLOG = 1024
"""Connections that wait to be accepted; more of them at once would have to try again a second
later."""


def open_sockets(config: Config) -> list[socket.socket]:
    """The sockets that systemd has opened for us, or our own. Raises OSError."""
    passed = config.systemd.sockets
    if not passed:
        try:
            return bind_sockets(config.server.port, bindable(config.server.host), backlog=BACKLOG)
        except UnicodeError:
            raise OSError(errno.EINVAL, "server.host is no host name") from None
    return [_passed(FIRST_SOCKET + number) for number in range(passed)]


def _passed(descriptor: int) -> socket.socket:
    """A listening socket that systemd has opened. Raises OSError for anything else."""
    one = socket.socket(fileno=descriptor)
    stream = one.type == socket.SOCK_STREAM
    if not stream or not one.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
        one.close()
        raise OSError(errno.EINVAL, f"descriptor {descriptor} is no listening stream socket")
    one.setblocking(False)
    one.set_inheritable(False)
    return one


def is_loopback(host: str) -> bool:
    """Whether a bind to `host`, a name or an address in any form, is reached from this machine
    alone. Asks the resolver, which may block; a name that it does not know is not."""
    try:
        found = socket.getaddrinfo(
            bindable(host), None, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
    except (socket.gaierror, UnicodeError):
        return False
    return all(is_local(str(address[0])) for *_, address in found)


def bindable(host: str) -> str:
    """What to bind for `host`: no resolver needs the final dot of a complete name, and Linux binds
    no IPv4 address in the form of IPv6."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host.removesuffix(".")
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return str(mapped or address)


def listen_on_loopback(sockets: Iterable[socket.socket]) -> bool:
    """Whether listening sockets are reached from this machine alone; those of Unix are."""
    inet = (socket.AF_INET, socket.AF_INET6)
    return all(is_local(one.getsockname()[0]) for one in sockets if one.family in inet)


def is_local(address: str) -> bool:
    """Whether it is an address of loopback; a name is none."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return False
    mapped = parsed.ipv4_mapped if isinstance(parsed, ipaddress.IPv6Address) else None
    return (mapped or parsed).is_loopback
