"""Arguments: writes a call's arguments as JSON, in fragments that can be closed at any time."""

from __future__ import annotations

import json
from typing import Protocol

from ovapi.language.parsing.source import Malformed, Sink

MAX_DEPTH = 64
"""Levels of nesting, the object of the arguments itself included."""


def escaped(text: str) -> str:
    """Text as it stands inside a JSON string."""
    return json.dumps(text, ensure_ascii=False)[1:-1]


def quoted(text: str) -> str:
    """Text as a JSON string."""
    return json.dumps(text, ensure_ascii=False)


class Value(Protocol):
    """Where one JSON value is written. Commas, keys and colons come in with what follows them.

    So `missing` is all that what was written lacks, at any moment.
    """

    def put(self, fragment: str) -> None:
        """A part that leaves open what was open: a scalar, a piece of a string, white space."""

    def open(self, fragment: str, closer: str) -> None:
        """A part that ends with the beginning of an object, array or string."""

    def close(self, before: str = "") -> None:
        """The end of what was opened last."""


class Arguments:
    """Gives every fragment to `sink` as it is written."""

    __slots__ = ("_closers", "_sink", "begun")

    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self._closers: list[str] = []
        self.begun = False

    def put(self, fragment: str) -> None:
        self._sink(fragment)

    def open(self, fragment: str, closer: str) -> None:
        if len(self._closers) >= MAX_DEPTH:
            raise Malformed(f"more than {MAX_DEPTH} levels of nesting")
        self.begun = True
        self._closers.append(closer)
        self._sink(fragment)

    def close(self, before: str = "") -> None:
        self._sink(before + self._closers.pop())

    @property
    def whole(self) -> bool:
        return self.begun and not self._closers

    @property
    def missing(self) -> str:
        """What must be added for valid JSON, once the value has begun."""
        return "".join(reversed(self._closers))
