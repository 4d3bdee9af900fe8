"""OriginPolicy: which `Host` and `Origin` headers a server answers to.

A server on loopback is still reachable by any web page that the machine's user opens: by a name
that resolves to 127.0.0.1 (DNS rebinding) or by a cross-site request. So a loopback bind answers
only to its own names, and a foreign origin is refused everywhere unless it is listed.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping
from urllib.parse import urlsplit

from ovapi.errors import PermissionDenied

LOCAL_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})
ALLOWED_METHODS = "GET, HEAD, POST, OPTIONS"
ALLOWED_HEADERS = "Authorization, Content-Type, X-Api-Key, X-Request-ID"
EXPOSED_HEADERS = (
    "X-Request-ID, Retry-After, x-ratelimit-limit-requests, x-ratelimit-remaining-requests, "
    "x-ratelimit-reset-requests"
)
PREFLIGHT_SECONDS = 600


def is_loopback(host: str) -> bool:
    """Whether a bind to `host` can be reached from this machine alone."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


class OriginPolicy:
    """`origins` are those that browsers may call from, ``*`` for all; `hosts` further names."""

    def __init__(self, bind: str, origins: Iterable[str] = (), hosts: Iterable[str] = ()) -> None:
        self._origins = frozenset(origin.rstrip("/") for origin in origins)
        names = LOCAL_NAMES | {bind.lower()} | {host.lower() for host in hosts}
        self._hosts = names if is_loopback(bind) else None

    def check(self, host: str, origin: str | None, public: str | None = None) -> None:
        """Raise PermissionDenied for a foreign Host or an Origin that is not listed.

        `public` is the host by which a proxy has been asked: an origin of its own pages.
        """
        if self._hosts is not None and _name(host) not in self._hosts:
            raise PermissionDenied("Host not allowed. Add it to server.allowed_hosts.")
        if origin is not None and not self.allows(origin) and not _same(origin, public or host):
            raise PermissionDenied("Origin not allowed. Add it to server.cors_origins.")

    def allows(self, origin: str) -> bool:
        return "*" in self._origins or origin in self._origins

    def headers(self, origin: str | None) -> Mapping[str, str]:
        """What to send so that a browser lets a page of `origin` read the response."""
        if not self._origins:
            return {}
        if origin is None or not self.allows(origin):
            return {"Vary": "Origin"}
        return {
            "Access-Control-Allow-Origin": origin,
            "Access-Control-Expose-Headers": EXPOSED_HEADERS,
            "Vary": "Origin",
        }

    def preflight_headers(self, origin: str | None) -> Mapping[str, str]:
        """What to answer to a browser's OPTIONS before it sends the real request."""
        if origin is None or not self.allows(origin):
            return {}
        return {
            "Access-Control-Allow-Methods": ALLOWED_METHODS,
            "Access-Control-Allow-Headers": ALLOWED_HEADERS,
            "Access-Control-Max-Age": str(PREFLIGHT_SECONDS),
        }


def _name(host: str) -> str:
    """The name in a Host header, without port and brackets, in lower case."""
    return (_split(f"//{host}")[0] or "").lower()


def _same(origin: str, host: str) -> bool:
    return _split(origin) == _split(f"//{host}")


def _split(url: str) -> tuple[str | None, int | None]:
    """(name, port) of a URL; (None, None) if it is none."""
    try:
        parts = urlsplit(url)
        return parts.hostname, parts.port
    except ValueError:
        return None, None
