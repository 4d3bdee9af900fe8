"""The ids of calls: as clients get them, and as a family wants them in its prompt."""

from __future__ import annotations

import hashlib
import re
import secrets
import string
from collections.abc import Iterable, Mapping
from enum import Enum

from ovapi.core import ToolCall

_ALPHABET = string.ascii_letters + string.digits
_NINE = re.compile(r"[A-Za-z0-9]{9}")


class IdForm(Enum):
    """ANY: whatever the client was given. NINE: nine letters and digits. NUMBERED: the function's
    name and the call's number in the conversation."""

    ANY = "any"
    NINE = "nine letters and digits"
    NUMBERED = "functions.NAME:INDEX"

    def new(self) -> str:
        """An id for the client, unlike all others."""
        return _random(9) if self is IdForm.NINE else "call_" + _random(24)

    def in_prompt(self, calls: Iterable[ToolCall]) -> Mapping[str, str]:
        """What the family calls the calls of a conversation, given in order, by the client's ids.

        The same conversation always gives the same, so that its beginning stays in the cache.
        """
        return {call.id: self._in_prompt(call, index) for index, call in enumerate(calls)}

    def _in_prompt(self, call: ToolCall, index: int) -> str:
        if self is IdForm.NUMBERED:
            return f"functions.{call.name}:{index}"
        if self is IdForm.NINE and not _NINE.fullmatch(call.id):
            return _nine(call.id)
        return call.id


def _random(length: int) -> str:
    return "".join(secrets.choice(_ALPHABET) for _ in range(length))


def _nine(id: str) -> str:
    """Nine letters and digits that depend on the id alone."""
    number = int.from_bytes(hashlib.sha256(id.encode("utf-8", "surrogatepass")).digest()[:8])
    digits = []
    for _ in range(9):
        number, digit = divmod(number, len(_ALPHABET))
        digits.append(_ALPHABET[digit])
    return "".join(digits)
