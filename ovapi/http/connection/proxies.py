"""TrustedProxies: whose word the server takes for who asks, and by which URL.

A reverse proxy hides the client's address, and the scheme and the name by which it was reached. It
tells them in headers that anybody could send, so only those of known proxies count.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

from tornado.httputil import HTTPServerRequest

HOST = re.compile(r"[A-Za-z0-9._:\[\]-]{1,255}")
SCHEMES = ("http", "https")


class TrustedProxies:
    """`networks` are addresses or networks such as ``10.0.0.0/8``."""

    def __init__(self, networks: Iterable[str] = ()) -> None:
        self._networks = [ip_network(network, strict=False) for network in networks]

    def apply(self, request: HTTPServerRequest) -> None:
        """Put the client's address, scheme and host in the place of the proxy's.

        Of several values the last counts, which the nearest proxy has added. The header `Host`
        stays as it is.
        """
        if not self._networks or not self._trusts(request.remote_ip or ""):
            return
        request.remote_ip = self._client(_values(request, "For")) or request.remote_ip
        for scheme in _values(request, "Proto")[-1:]:
            if scheme.lower() in SCHEMES:
                request.protocol = scheme.lower()
        for host in _values(request, "Host")[-1:]:
            if HOST.fullmatch(host):
                request.host = host

    def _client(self, addresses: Sequence[str]) -> str | None:
        """The address that the outermost trusted proxy has seen, None if none was told."""
        client = None
        for address in reversed(addresses):
            if _address(address) is None:
                break
            client = address
            if not self._trusts(address):
                break
        return client

    def _trusts(self, text: str) -> bool:
        address = _address(text)
        return address is not None and any(address in network for network in self._networks)


def _values(request: HTTPServerRequest, name: str) -> list[str]:
    """The values of a header X-Forwarded-…, which may be there several times."""
    lists = request.headers.get_list(f"X-Forwarded-{name}")
    values = [value.strip() for one in lists for value in one.split(",")]
    return [value for value in values if value]


def _address(text: str) -> IPv4Address | IPv6Address | None:
    """An address, that of IPv4 where IPv6 has mapped it; None if the text is none."""
    try:
        address = ip_address(text)
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address
