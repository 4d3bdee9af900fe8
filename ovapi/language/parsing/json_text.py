"""Reads JSON as it arrives and copies it, character by character, to where it is written.

Strict but for one thing: bare control characters in strings, which models do write, are escaped.
"""

from __future__ import annotations

import re

from ovapi.language.parsing.arguments import Value, escaped
from ovapi.language.parsing.source import Malformed, Sink, Source, Step

NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?")

_PLAIN = re.compile(r'[^"\\\x00-\x1f]*')
_CONTROL = re.compile(r"[\x00-\x1f]*")
_SCALAR = re.compile(r"[-+.0-9A-Za-z_]*")
_UNICODE = re.compile(r"\\u[0-9A-Fa-f]{4}")


def value(source: Source, out: Value, lead: str = "") -> Step[None]:
    """Copy a value, whose first character comes next. `lead` is written before it."""
    char = yield from source.need()
    if char == '"':
        source.take(1)
        out.open(lead + '"', '"')
        yield from string_body(source, out.put)
        out.close()
    elif char == "{":
        yield from _container(source, out, lead, "{}")
    elif char == "[":
        yield from _container(source, out, lead, "[]")
    else:
        out.put(lead + (yield from _scalar(source)))


def string(source: Source) -> Step[str]:
    """Read a whole string and return its JSON text, quotes included."""
    yield from source.expect('"')
    pieces = ['"']
    yield from string_body(source, pieces.append)
    return "".join([*pieces, '"'])


def string_body(source: Source, sink: Sink) -> Step[None]:
    """Copy what stands between the quotes; the first is read already, the last is read too."""
    while True:
        yield from source.run(_PLAIN, sink)
        char = yield from source.need()
        if char == "\\":
            sink((yield from _escape(source)))
        elif char == '"':
            source.take(1)
            return
        else:
            yield from source.run(_CONTROL, lambda text: sink(escaped(text)))


def _escape(source: Source) -> Step[str]:
    pair = yield from source.need(2)
    if pair[1] in '"\\/bfnrt':
        return source.take(2)
    if pair[1] == "u" and _UNICODE.fullmatch((yield from source.need(6))):
        return source.take(6)
    raise Malformed(f"{pair} is no escape")


def _scalar(source: Source) -> Step[str]:
    pieces: list[str] = []
    yield from source.run(_SCALAR, pieces.append)
    yield from source.need()  # a number at the very end may be cut short
    text = "".join(pieces)
    if text not in ("true", "false", "null") and not NUMBER.fullmatch(text):
        raise Malformed("no JSON value")
    return text


def _container(source: Source, out: Value, lead: str, brackets: str) -> Step[None]:
    source.take(1)
    out.open(lead + brackets[0], brackets[1])
    lead = yield from source.space()
    if (yield from source.accept(brackets[1])):
        out.close(lead)
        return
    while True:
        if brackets == "{}":
            lead += yield from _key(source)
        yield from value(source, out, lead)
        lead = yield from source.space()
        end = yield from source.expect(",", brackets[1])
        if end != ",":
            out.close(lead)
            return
        lead += end + (yield from source.space())


def _key(source: Source) -> Step[str]:
    """A key with the colon and the space around it."""
    key = yield from string(source)
    before = yield from source.space()
    yield from source.expect(":")
    return f"{key}{before}:" + (yield from source.space())
