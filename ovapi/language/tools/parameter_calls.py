"""Calls with a tag for each parameter, whose values stand bare in it.

    <tool_call><function=f><parameter=a>1</parameter></function></tool_call>
    <tool_call>f<arg_key>a</arg_key><arg_value>1</arg_value></tool_call>

Such values have no escapes. A closing tag counts as one only if it is followed by what may follow
a parameter, so that a value can speak of the tag.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from ovapi.language.offered_tools import Kinds
from ovapi.language.parsing.arguments import Arguments, quoted
from ovapi.language.parsing.bare_value import BareValue
from ovapi.language.parsing.markers import markers
from ovapi.language.parsing.source import Malformed, Sink, Source, Step
from ovapi.language.tools.calls import Calls

_BARE_NAME = re.compile(r"[^\s<>]*")
_CDATA = ("<![CDATA[", "]]>")


@dataclass(frozen=True, slots=True)
class ParameterCalls:
    """The tags. A name is followed by `name_end`, a key by one of `key_ends`.

    Without a `call_opener` the name follows the opener at once. `key_ends` tell the types of the
    value where the model writes them, else the schema does. `lines`: values stand on lines of
    their own. `cdata`: a value may be a CDATA section.
    """

    openers: tuple[str, ...]
    key_opener: str
    key_ends: dict[str, Kinds | None]
    value_closer: str
    call_closer: str
    call_opener: str = ""
    name_end: str = ""
    value_opener: str = ""
    section_end: str = ""
    lines: bool = False
    cdata: bool = False
    starts: tuple[str, ...] = field(default=())

    def parse(self, source: Source, calls: Calls, opener: str) -> Step[None]:
        if opener != self.call_opener:
            yield from self._open_call(source)
        yield from self._call(source, calls)
        while self.call_opener and (yield from source.ahead(self.call_opener, spaced=True)):
            calls.begin()
            yield from self._open_call(source)
            yield from self._call(source, calls)
        if self.section_end:
            yield from source.accept(self.section_end, spaced=True)

    def _open_call(self, source: Source) -> Step[None]:
        if self.call_opener:
            yield from source.expect(self.call_opener, spaced=True)

    def _call(self, source: Source, calls: Calls) -> Step[None]:
        name = yield from self._name(source)
        tag = yield from source.expect(self.key_opener, self.call_closer, spaced=True)
        out = calls.open(name)
        out.open("{", "}")
        keys: set[str] = set()
        while tag == self.key_opener:
            key, end = yield from source.header(markers(*self.key_ends))
            if key in keys:
                raise Malformed(f"parameter {key} comes twice")
            kinds = self.key_ends[end]
            lead = f"{', ' if keys else ''}{quoted(key)}: "
            keys.add(key)
            allowed = calls.tools.kinds(name, key) if kinds is None else kinds
            yield from self._value(source, out, lead, allowed)
            tag = yield from source.expect(self.key_opener, self.call_closer, spaced=True)
        out.close()
        calls.close()

    def _name(self, source: Source) -> Step[str]:
        if self.name_end:
            name, _ = yield from source.header(markers(self.name_end))
            return name.strip()
        yield from source.space()
        return (yield from source.word(_BARE_NAME))

    def _value(self, source: Source, out: Arguments, lead: str, kinds: Kinds) -> Step[None]:
        if self.value_opener:
            yield from source.expect(self.value_opener, spaced=True)
        if self.cdata and (yield from source.accept(_CDATA[0], spaced=True)):
            value = BareValue(out, lead, kinds)
            yield from self._to_end(source, value.put, _CDATA[1], self.value_closer)
            yield from source.accept(self.value_closer, spaced=True)
        else:
            value = BareValue(out, lead, kinds, self.lines)
            followers = (self.key_opener, self.call_closer)
            yield from self._to_end(source, value.put, self.value_closer, *followers)
        value.end()

    def _to_end(self, source: Source, put: Sink, closer: str, *followers: str) -> Step[None]:
        """Read up to the closer that is followed by one of these, and read it."""
        ends = markers(closer)
        while (yield from source.until(ends, put)):
            if (yield from source.followed_by(*followers)):
                return
            put(closer)
        raise source.error("a value has no end")
