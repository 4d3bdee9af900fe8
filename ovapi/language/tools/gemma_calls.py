"""Gemma's calls: like JSON, with bare keys and a special token for the quotes of strings.

<|tool_call>call:f{city:<|"|>Paris<|"|>,days:2}<tool_call|>
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from ovapi.language.offered_tools import ANY, Kinds
from ovapi.language.parsing import json_text
from ovapi.language.parsing.arguments import Arguments, escaped, quoted
from ovapi.language.parsing.bare_value import as_json
from ovapi.language.parsing.markers import markers
from ovapi.language.parsing.source import Malformed, Source, Step
from ovapi.language.tools.calls import Calls

_QUOTE = '<|"|>'
_NAME = re.compile(r"[^\s{}<>]*")
_BARE = re.compile(r"[^,}\]<]*")
_KEY = re.compile(r"[^\s:,{}\[\]<>]*")


@dataclass(frozen=True, slots=True)
class GemmaCalls:
    openers: tuple[str, ...] = ("<|tool_call>",)
    starts: tuple[str, ...] = ()

    def parse(self, source: Source, calls: Calls, opener: str) -> Step[None]:
        yield from self._call(source, calls)
        while (yield from source.ahead("call:", spaced=True)):
            calls.begin()
            yield from self._call(source, calls)
        yield from source.accept("<tool_call|>", spaced=True)

    def _call(self, source: Source, calls: Calls) -> Step[None]:
        yield from source.expect("call:", spaced=True)
        name = yield from source.word(_NAME)
        yield from source.expect("{", spaced=True)
        out = calls.open(name)
        out.open("{", "}")
        yield from _members(source, out, lambda key: calls.tools.kinds(name, key))
        calls.close()


def _members(source: Source, out: Arguments, kinds_of: Callable[[str], Kinds]) -> Step[None]:
    """The members of an object, up to and with its closing brace."""
    keys: set[str] = set()
    yield from source.space()
    while not (yield from source.accept("}")):
        key = yield from _key(source)
        yield from source.expect(":", spaced=True)
        if key in keys:
            raise Malformed(f"{key} comes twice")
        lead = f"{', ' if keys else ''}{quoted(key)}: "
        keys.add(key)
        yield from _value(source, out, lead, kinds_of(key))
        yield from _comma(source, "}")
    out.close()


def _items(source: Source, out: Arguments) -> Step[None]:
    lead = ""
    yield from source.space()
    while not (yield from source.accept("]")):
        yield from _value(source, out, lead, ANY)
        lead = ", "
        yield from _comma(source, "]")
    out.close()


def _value(source: Source, out: Arguments, lead: str, kinds: Kinds) -> Step[None]:
    yield from source.space()
    found = yield from source.accept(_QUOTE, "{", "[")
    if found == _QUOTE:
        out.open(lead + '"', '"')
        yield from _quoted(source, out)
    elif found == "{":
        out.open(lead + "{", "}")
        yield from _members(source, out, lambda key: ANY)
    elif found == "[":
        out.open(lead + "[", "]")
        yield from _items(source, out)
    elif (yield from source.need()) == '"':
        yield from json_text.value(source, out, lead)
    else:
        out.put(lead + as_json((yield from _bare(source)), kinds))


def _quoted(source: Source, out: Arguments) -> Step[None]:
    if not (yield from source.until(markers(_QUOTE), lambda text: out.put(escaped(text)))):
        raise source.error("a string has no end")
    out.close()


def _bare(source: Source) -> Step[str]:
    pieces: list[str] = []
    yield from source.run(_BARE, pieces.append)
    yield from source.need()
    if not (bare := "".join(pieces).strip()):
        raise Malformed("a value is missing")
    return bare


def _key(source: Source) -> Step[str]:
    if not (yield from source.accept(_QUOTE)):
        return (yield from source.word(_KEY))
    key, _ = yield from source.header(markers(_QUOTE))
    return key


def _comma(source: Source, end: str) -> Step[None]:
    yield from source.space()
    if not (yield from source.accept(",")) and (yield from source.need()) != end:
        raise Malformed("a comma is missing")
    yield from source.space()
