"""Keyring: who may use the server.

Keys come as text, one a line: ``KEY``, ``NAME KEY`` or ``NAME sha256:HEX``, where HEX is the
SHA-256 of the key; ``#`` starts a comment. Only digests are kept in memory, and a name, never a
key, is what the log shows.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from ovapi.errors import AuthenticationFailed

HASHED = re.compile(r"sha256:([0-9a-fA-F]{64})")
MAX_KEY_BYTES = 512


@dataclass(frozen=True, slots=True)
class Key:
    name: str
    digest: bytes = field(repr=False)


class Keyring:
    """The keys of a server; an empty one lets everybody in.

    `complete`: each line of theirs had its end, so the last one is not cut short.
    """

    def __init__(self, keys: Iterable[Key] = (), complete: bool = True) -> None:
        self._keys = tuple(keys)
        self.complete = complete

    def __bool__(self) -> bool:
        return bool(self._keys)

    def __len__(self) -> int:
        return len(self._keys)

    @property
    def names(self) -> frozenset[str]:
        return frozenset(key.name for key in self._keys)

    @classmethod
    def parse(cls, text: str, source: str) -> Keyring:
        """The keys of `text`. Raises ValueError, naming `source` and the line, never the key."""
        lines = [line.split("#", 1)[0].strip(" \t\r") for line in text.split("\n")]
        keys = [_key(line, f"{source} line {n}") for n, line in enumerate(lines, 1) if line]
        return cls(keys, complete=not text or text.endswith("\n"))

    def __add__(self, other: Keyring) -> Keyring:
        return Keyring(self._keys + other._keys, self.complete and other.complete)

    def authenticate(self, authorization: str | None, api_key: str | None) -> str:
        """The name of the key in ``Authorization: Bearer`` or ``X-Api-Key``.

        The arguments are the headers' values, bytes as latin-1. Raises AuthenticationFailed.
        Every key is compared, and only digests, so the time tells nothing about a key.
        """
        token = _bearer(authorization) or api_key
        if not token:
            raise AuthenticationFailed(
                "You didn't provide an API key. Send it as 'Authorization: Bearer KEY' "
                "or 'X-Api-Key: KEY'."
            )
        digest = _digest(token.encode("latin-1", "replace")[:MAX_KEY_BYTES])
        matches = [key.name for key in self._keys if hmac.compare_digest(key.digest, digest)]
        if not matches:
            raise AuthenticationFailed("Incorrect API key provided.")
        return matches[0]


def _key(line: str, where: str) -> Key:
    if not line.expandtabs().isprintable():
        raise ValueError(f"{where}: contains NUL, a control or an invisible character")
    words = line.split()
    if len(words) > 2:
        raise ValueError(f"{where}: expected KEY or NAME KEY")
    name, secret = words if len(words) == 2 else (f"key {where.rsplit(' ', 1)[1]}", words[0])
    if secret.startswith("sha256:"):
        hashed = HASHED.fullmatch(secret)
        if hashed is None:
            raise ValueError(f"{where}: expected 64 hexadecimal digits after sha256:")
        return Key(name, bytes.fromhex(hashed.group(1)))
    if len(secret.encode()) > MAX_KEY_BYTES:
        raise ValueError(f"{where}: a key has at most {MAX_KEY_BYTES} bytes")
    return Key(name, _digest(secret.encode()))


def _digest(secret: bytes) -> bytes:
    return hashlib.sha256(secret).digest()


def _bearer(authorization: str | None) -> str | None:
    scheme, _, token = (authorization or "").strip().partition(" ")
    return token.strip() if scheme.lower() == "bearer" else None
