"""Calls of which a header names the function, and JSON that follows holds the arguments.

<|tool_call_begin|>functions.f:0<|tool_call_argument_begin|>{"a": 1}<|tool_call_end|>
[TOOL_CALLS]f[ARGS]{"a": 1}
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from ovapi.language.parsing import json_text
from ovapi.language.parsing.markers import markers
from ovapi.language.parsing.source import Malformed, Source, Step
from ovapi.language.tools.calls import Calls

NAME = re.compile(r"\s*(?P<name>[^\s]+)\s*")


@dataclass(frozen=True, slots=True)
class NamedJson:
    """`header_ends` part the header from the arguments.

    `header` finds the function's `name` in it, and its `id` if the family writes one that clients
    get. `call_opener` begins each call, if a section of several has a marker of its own; `closers`
    end a call and may be missing, `section_end` ends the section.
    """

    openers: tuple[str, ...]
    header_ends: tuple[str, ...]
    header: re.Pattern[str] = NAME
    call_opener: str = ""
    closers: tuple[str, ...] = ()
    section_end: str = ""
    starts: tuple[str, ...] = ()

    def parse(self, source: Source, calls: Calls, opener: str) -> Step[None]:
        yield from self._call(source, calls)
        while self.call_opener and (yield from source.ahead(self.call_opener, spaced=True)):
            calls.begin()
            yield from self._call(source, calls)
        if self.section_end:
            yield from source.accept(self.section_end, spaced=True)

    def _call(self, source: Source, calls: Calls) -> Step[None]:
        if self.call_opener:
            yield from source.expect(self.call_opener, spaced=True)
        header, _ = yield from source.header(markers(*self.header_ends))
        if not (found := self.header.fullmatch(header)):
            raise Malformed(f"{header} names no function")
        yield from call_with_json(source, calls, **found.groupdict())
        for closer in self.closers:
            yield from source.accept(closer, spaced=True)


def call_with_json(source: Source, calls: Calls, name: str, id: str | None = None) -> Step[None]:
    """Read arguments that are a JSON object and give out the call."""
    yield from source.space()
    if (yield from source.need()) != "{":
        raise Malformed("the arguments are no object")
    yield from json_text.value(source, calls.open(name, id))
    calls.close()
