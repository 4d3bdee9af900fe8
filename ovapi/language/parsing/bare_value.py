"""Values that a model writes without quotes: the schema tells their types."""

from __future__ import annotations

import re
from collections.abc import Callable

from ovapi.language.offered_tools import Kinds
from ovapi.language.parsing import json_text, python_literal
from ovapi.language.parsing.arguments import Arguments, Value, escaped, quoted
from ovapi.language.parsing.source import Malformed, Source, Step

_STRING = frozenset(["string"])
_OPTIONAL_STRING = frozenset(["string", "null"])
_MAX_NULL = 16  # longer than "null" and the white space around it
_WHOLE_NUMBER = re.compile(r"-?[0-9]+(?:\.0+)?")
_KINDS = {'"': "string", "{": "object", "[": "array", "t": "boolean", "f": "boolean", "n": "null"}


def as_json(raw: str, kinds: Kinds) -> str:
    """A bare value as JSON: what it reads as if the schema allows that, else a string.

    Where no string is allowed a Python literal is read, too. A value that fits none of the kinds
    stays a string, which the client can refuse.
    """
    text = raw.strip()
    found = _read(json_text.value, text)
    if found is None and kinds and "string" not in kinds:
        found = _read(python_literal.value, text)
    return found if found is not None and _fits(found, kinds) else quoted(raw)


def _read(parse: Callable[[Source, Value], Step[None]], text: str) -> str | None:
    """The text as JSON if it is one whole value."""
    pieces: list[str] = []
    source = Source(text + "\n", ended=True)
    try:
        for _ in parse(source, Arguments(pieces.append)):
            raise AssertionError("there is nothing to wait for")
    except Malformed:
        return None
    return "".join(pieces) if source.rest == "\n" else None


def _fits(json: str, kinds: Kinds) -> bool:
    kind = _KINDS.get(json[0], "number")
    whole = kind == "number" and _WHOLE_NUMBER.fullmatch(json) is not None
    return not kinds or kind in kinds or (whole and "integer" in kinds)


class BareValue:
    """Writes one bare value that comes in pieces: a string at once, others when they are whole.

    `lead` is written before it. With `lines` the value stands on lines of its own, whose first and
    last line break are none of it.
    """

    def __init__(self, out: Value, lead: str, kinds: Kinds, lines: bool = False) -> None:
        self._out = out
        self._lead = lead
        self._kinds = kinds
        self._lines = lines
        self._begun = False  # the string is being written
        self._first = lines  # a line break that comes now is none of the value
        self._break = ""  # held back, since it may be the last
        self._pieces: list[str] = []

    def put(self, text: str) -> None:
        if text := self._inner(text):
            self._pieces.append(text)
            if self._begun or self._is_string():
                self._write()

    def end(self) -> None:
        raw = "".join(self._pieces)
        if self._begun or self._kinds == _STRING:
            self._write()
            self._out.close()
        else:
            self._out.put(self._lead + as_json(raw, self._kinds))

    def _inner(self, text: str) -> str:
        """Without the line breaks around the value."""
        if self._first:
            self._first = False
            text = text.removeprefix("\n")
        if not self._lines or not text:
            return text
        text = self._break + text
        self._break = "\n" if text.endswith("\n") else ""
        return text.removesuffix("\n")

    def _is_string(self) -> bool:
        """Is it sure already that the value is a string?"""
        if self._kinds == _STRING:
            return True
        if self._kinds != _OPTIONAL_STRING:
            return False
        raw = "".join(self._pieces)
        return len(raw) > _MAX_NULL or not "null".startswith(raw.strip())

    def _write(self) -> None:
        if not self._begun:
            self._begun = True
            self._out.open(self._lead + '"', '"')
        if text := "".join(self._pieces):
            self._out.put(escaped(text))
        self._pieces = []
