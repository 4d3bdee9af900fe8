"""Calls as JSON objects that hold the function's name and its arguments, alone or in lists.

<tool_call>{"name": "f", "arguments": {"a": 1}}</tool_call>
[TOOL_CALLS][{"name": "f", "arguments": {}}, {"name": "g", "arguments": {}}]
"""

from __future__ import annotations

import json
from dataclasses import dataclass

from ovapi.language.parsing import json_text
from ovapi.language.parsing.arguments import Arguments, Value
from ovapi.language.parsing.source import Malformed, Source, Step
from ovapi.language.tools.calls import Calls

NAME_KEYS = frozenset(["name", "tool_name"])
ARGUMENT_KEYS = frozenset(["arguments", "parameters"])
_OTHER_KEYS = frozenset(["type", "id", "tool_call_id"])


@dataclass(frozen=True, slots=True)
class JsonCalls:
    """`closers` end the calls, in this order; each may be missing.

    `bare`: nothing but its keys tells a call from other JSON, so that any other key makes it text.
    """

    openers: tuple[str, ...] = ()
    closers: tuple[str, ...] = ()
    starts: tuple[str, ...] = ()
    bare: bool = False

    def parse(self, source: Source, calls: Calls, opener: str) -> Step[None]:
        listed = yield from source.accept("[", spaced=True)
        if listed and (yield from source.accept("]", spaced=True)):
            return  # an empty list is text
        yield from self._call(source, calls)
        separator = "," if listed else ";"
        while (yield from source.ahead(separator, spaced=True)):
            calls.begin()
            yield from source.accept(separator, spaced=True)
            yield from self._call(source, calls)
        for closer in ("]" if listed else "", *self.closers):
            if closer:
                yield from source.accept(closer, spaced=True)

    def _call(self, source: Source, calls: Calls) -> Step[None]:
        yield from source.expect("{", spaced=True)
        call = _Call(calls)
        yield from source.space()
        while not (yield from source.accept("}")):
            key = _decoded((yield from json_text.string(source)))
            yield from source.expect(":", spaced=True)
            yield from source.space()
            yield from self._member(source, call, key)
            yield from source.space()
            if not (yield from source.accept(",")) and (yield from source.need()) != "}":
                raise Malformed("a comma is missing")
            yield from source.space()
        call.end()

    def _member(self, source: Source, call: _Call, key: str) -> Step[None]:
        if key in NAME_KEYS:
            call.name_is(_decoded((yield from json_text.string(source))))
        elif key in ARGUMENT_KEYS:
            yield from call.read_arguments(source)
        elif self.bare and key not in _OTHER_KEYS:
            raise Malformed(f"a call has no {key}")
        else:
            yield from json_text.value(source, Arguments(lambda _: None))


class _Call:
    """One call. Arguments that come before the name are kept until it is known."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls
        self._name: str | None = None
        self._kept: list[str] | None = None
        self._given = False

    def name_is(self, name: str) -> None:
        if self._name is not None:
            raise Malformed("a call has two names")
        self._name = name
        if self._calls.offers(name) and self._kept is not None:
            self._give("".join(self._kept))

    def read_arguments(self, source: Source) -> Step[None]:
        if self._given or self._kept is not None:
            raise Malformed("a call has arguments twice")
        first = yield from source.need()
        if first == "{" and self._name is not None:
            self._given = True
            yield from json_text.value(source, self._calls.open(self._name))
            self._calls.close()
        elif first == "{":
            self._kept = []
            yield from json_text.value(source, Arguments(self._kept.append))
        else:
            self._kept = [(yield from _unusual(source))]
            if self._name is not None:
                self._give(self._kept[0])

    def end(self) -> None:
        """The object is over. A call without arguments has an empty object of them."""
        if self._name is None:
            raise Malformed("a call has no name")
        if not self._given:
            self._give("{}")

    def _give(self, arguments: str) -> None:
        assert self._name is not None
        self._given = True
        give_whole(self._calls.open(self._name), arguments)
        self._calls.close()


def give_whole(out: Value, arguments: str) -> None:
    """Write a JSON object that has come as a whole."""
    out.open(arguments[:-1], "}")
    out.close()


def _unusual(source: Source) -> Step[str]:
    """Arguments that are no object: the JSON text of one, or null, which stands for none."""
    pieces: list[str] = []
    yield from json_text.value(source, Arguments(pieces.append))
    text = "".join(pieces)
    if text == "null":
        return "{}"
    inner = Source(_decoded(text) if text[0] == '"' else "", ended=True)
    pieces.clear()
    yield from inner.space()
    if (yield from inner.peek()) != "{":
        raise Malformed("the arguments are no object")
    yield from json_text.value(inner, Arguments(pieces.append))
    return "".join(pieces)


def _decoded(text: str) -> str:
    """What a JSON string stands for."""
    decoded: str = json.loads(text)
    try:
        decoded.encode()
    except UnicodeEncodeError:
        raise Malformed("half a surrogate pair is no text") from None
    return decoded
