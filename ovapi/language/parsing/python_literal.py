"""Reads Python's literals as they arrive and writes them as JSON.

Strings in all their forms but the prefixed, numbers, True, False, None (and JSON's names of them),
lists, tuples and dictionaries.
"""

from __future__ import annotations

import math
import re

from ovapi.language.parsing.arguments import Value, escaped, quoted
from ovapi.language.parsing.json_text import NUMBER
from ovapi.language.parsing.source import Malformed, Sink, Source, Step

_WORD = re.compile(r"[-+.0-9A-Za-z_]*")
_PLAIN = {quote: re.compile(rf"[^\\{quote}]*") for quote in "'\""}
_CONSTANTS = {"True": "true", "False": "false", "None": "null"}
_CONSTANTS |= {name: name for name in _CONSTANTS.values()}
_ESCAPES = {"n": "\\n", "r": "\\r", "t": "\\t", "b": "\\b", "f": "\\f"}
_ESCAPES |= {"\\": "\\\\", "'": "'", '"': '\\"', "\n": "", "a": "\\u0007", "v": "\\u000b"}
_HEX = re.compile(r"[0-9A-Fa-f]+")
_HEX_DIGITS = {"x": 2, "u": 4, "U": 8}
_END = {"[": "]", "(": ")"}


def value(source: Source, out: Value, lead: str = "") -> Step[None]:
    """Write the literal that comes next, `lead` before it."""
    char = yield from source.need()
    if char in _PLAIN:
        out.open(lead + '"', '"')
        yield from _string(source, out.put)
        out.close()
    elif char in _END:
        yield from _sequence(source, out, lead, _END[char])
    elif char == "{":
        yield from _dictionary(source, out, lead)
    else:
        out.put(lead + (yield from _word(source)))


def _string(source: Source, sink: Sink) -> Step[None]:
    """Write what stands between the quotes, which are read too."""
    quote = source.take(1)
    end = quote + (yield from source.accept(quote * 2))
    while True:
        yield from source.run(_PLAIN[quote], lambda text: sink(escaped(text)))
        if (yield from source.need()) == "\\":
            sink((yield from _escape(source)))
        elif (yield from source.accept(end)):
            return
        else:
            sink(escaped(source.take(1)))


def _escape(source: Source) -> Step[str]:
    pair = yield from source.need(2)
    source.take(2)
    if (digits := _HEX_DIGITS.get(pair[1])) is not None:
        return _code_point((yield from _hexadecimal(source, digits)))
    return _ESCAPES.get(pair[1], "\\\\" + escaped(pair[1]))


def _hexadecimal(source: Source, digits: int) -> Step[int]:
    text = yield from source.need(digits)
    if not _HEX.fullmatch(text):
        raise Malformed(f"{text} is no hexadecimal number")
    return int(source.take(digits), 16)


def _code_point(code: int) -> str:
    """Half a surrogate pair stays an escape, for the other half to join it."""
    if code <= 0xFFFF:
        return f"\\u{code:04x}"
    if code > 0x10FFFF:
        raise Malformed(f"{code:x} is no character")
    return escaped(chr(code))


def _word(source: Source) -> Step[str]:
    pieces: list[str] = []
    yield from source.run(_WORD, pieces.append)
    yield from source.need()  # a number at the very end may be cut short
    text = "".join(pieces)
    if text in _CONSTANTS or NUMBER.fullmatch(text):
        return _CONSTANTS.get(text, text)
    return _number(text)


def _number(text: str) -> str:
    """A number that JSON writes otherwise: 1_000, .5, +1, 0x1f."""
    try:
        return str(int(text, 0))
    except ValueError:
        pass
    try:
        number = float(text)
    except ValueError:
        raise Malformed("no Python literal") from None
    if not math.isfinite(number):
        raise Malformed("JSON has no such number")
    return repr(number)


def _sequence(source: Source, out: Value, lead: str, end: str) -> Step[None]:
    source.take(1)
    out.open(lead + "[", "]")
    lead = ""
    yield from source.space()
    while not (yield from source.accept(end)):
        yield from value(source, out, lead)
        lead = ", "
        yield from _comma(source, end)
    out.close()


def _dictionary(source: Source, out: Value, lead: str) -> Step[None]:
    source.take(1)
    out.open(lead + "{", "}")
    lead = ""
    yield from source.space()
    while not (yield from source.accept("}")):
        key = yield from _key(source)
        yield from source.expect(":", spaced=True)
        yield from source.space()
        yield from value(source, out, f"{lead}{key}: ")
        lead = ", "
        yield from _comma(source, "}")
    out.close()


def _comma(source: Source, end: str) -> Step[None]:
    """What stands after an element: a comma, or nothing before the end, which stays unread."""
    yield from source.space()
    if not (yield from source.accept(",")) and (yield from source.need()) != end:
        raise Malformed("a comma is missing")
    yield from source.space()


def _key(source: Source) -> Step[str]:
    """A key as a JSON string."""
    if (yield from source.need()) not in _PLAIN:
        return quoted((yield from _word(source)))
    pieces: list[str] = []
    yield from _string(source, pieces.append)
    return '"' + "".join(pieces) + '"'
