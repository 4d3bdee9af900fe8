"""The address to listen on, as people write it: a name or an IP address, and nothing else."""

from __future__ import annotations

import ipaddress
import re

LABEL = r"[^\W_](?:[\w-]{0,61}[^\W_])?"
NAME = re.compile(rf"{LABEL}(?:\.{LABEL})*\.?")
MAX_NAME = 253


def problem_of_host(host: str) -> str | None:
    """Why nobody can listen on `host`, None if that may be possible. Asks no resolver."""
    if not host:
        return "is empty: write 0.0.0.0 or '::' for all interfaces"
    if not host.isprintable():
        return "contains characters that cannot be printed"
    if _is_address(host):
        return None
    if "://" in host or "/" in host:
        return "is not a host name or IP address: write it without scheme and path"
    if "[" in host or "]" in host:
        return "write an IPv6 address without brackets"
    if host.count(":") == 1:
        return "is not a host name or IP address: write the port into server.port"
    return None if _is_name(host) else "is not a host name or IP address"


def shown(host: str) -> str:
    """As in a URL: an IPv6 address has brackets."""
    return f"[{host}]" if ":" in host else host


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _is_name(host: str) -> bool:
    try:
        ascii_name = host.encode("idna")
    except UnicodeError:
        return False
    return len(ascii_name) <= MAX_NAME and NAME.fullmatch(host) is not None
