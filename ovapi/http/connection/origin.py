"""OriginPolicy: which `Host` and `Origin` headers a server answers to.

A server on loopback is still reachable by any web page that the machine's user opens: by a name
that resolves to 127.0.0.1 (DNS rebinding) or by a cross-site request. So a loopback bind answers
only to its own names, and a foreign origin is refused everywhere unless it is listed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from urllib.parse import urlsplit

from ovapi.errors import PermissionDenied
from ovapi.http.connection.listening import is_local
from ovapi.http.connection.listening import is_loopback as is_loopback

LOCAL_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})
ALLOWED_METHODS = "GET, HEAD, POST, OPTIONS"
ALLOWED_HEADERS = "Authorization, Content-Type, X-Api-Key, X-Request-ID"
HEADERS = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~, -]{1,2048}")
"""Names of headers, as a browser asks for them."""
EXPOSED_HEADERS = (
    "X-Request-ID, Retry-After, x-ratelimit-limit-requests, x-ratelimit-remaining-requests, "
    "x-ratelimit-reset-requests"
)
PREFLIGHT_SECONDS = 600


class OriginPolicy:
    """`origins` are those that browsers may call from, ``*`` for all; `hosts` further names.

    `loopback`: whether the server is on loopback, where the caller knows its sockets; `bind` is
    asked for otherwise.
    """

    def __init__(
        self,
        bind: str,
        origins: Iterable[str] = (),
        hosts: Iterable[str] = (),
        loopback: bool | None = None,
    ) -> None:
        self._origins = frozenset(origin.rstrip("/") for origin in origins)
        names = LOCAL_NAMES | {_name_of_host(host) for host in (bind, *hosts)}
        local = is_loopback(bind) if loopback is None else loopback
        self._hosts = names if local else None

    def check(self, host: str, origin: str | None, public: str | None = None) -> None:
        """Raise PermissionDenied for a foreign Host or an Origin that is not listed.

        `public` is the host by which a proxy has been asked: an origin of its own pages.
        """
        if not self._knows(_name(host)):
            raise PermissionDenied("Host not allowed. Add it to server.allowed_hosts.")
        if origin is not None and not self.allows(origin) and not _same(origin, public or host):
            raise PermissionDenied("Origin not allowed. Add it to server.cors_origins.")

    def _knows(self, name: str) -> bool:
        """An address of loopback is no name that somebody else could have resolve to one."""
        return self._hosts is None or name in self._hosts or is_local(name)

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

    def preflight_headers(self, origin: str | None, wanted: str = "") -> Mapping[str, str]:
        """What to answer to a browser's OPTIONS before it sends the real request.

        `wanted` are the headers that it would send: clients have some of their own, which are
        harmless from an origin that may call.
        """
        if origin is None or not self.allows(origin):
            return {}
        return {
            "Access-Control-Allow-Methods": ALLOWED_METHODS,
            "Access-Control-Allow-Headers": wanted
            if HEADERS.fullmatch(wanted)
            else ALLOWED_HEADERS,
            "Access-Control-Max-Age": str(PREFLIGHT_SECONDS),
        }


def _name(host: str) -> str:
    """The name in a Host header, without port and brackets, in lower case."""
    return _name_of_host(_split(f"//{host}")[0] or "")


def _name_of_host(host: str) -> str:
    """A final dot says only that a name is complete."""
    return host.lower().removesuffix(".")


def _same(origin: str, host: str) -> bool:
    return _split(origin) == _split(f"//{host}")


def _split(url: str) -> tuple[str | None, int | None]:
    """(name, port) of a URL; (None, None) if it is none."""
    try:
        parts = urlsplit(url)
        return parts.hostname, parts.port
    except ValueError:
        return None, None
