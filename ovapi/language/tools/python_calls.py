"""Calls as Python: `[f(a='x', b=1), g()]`, or one a line."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ovapi.language.parsing import python_literal
from ovapi.language.parsing.arguments import quoted
from ovapi.language.parsing.source import Malformed, Source, Step
from ovapi.language.tools.calls import Calls

_NAME = re.compile(r"[\w.\-]*")


@dataclass(frozen=True, slots=True)
class PythonCalls:
    """`before` and `after` are what may stand around the calls, in this order.

    `suffix` is a method's name that follows each function's.
    """

    openers: tuple[str, ...] = ()
    before: tuple[str, ...] = ("[",)
    after: tuple[str, ...] = ("]",)
    separator: str = ","
    suffix: str = ""
    starts: tuple[str, ...] = ()

    def parse(self, source: Source, calls: Calls, opener: str) -> Step[None]:
        for word in self.before:
            yield from source.accept(word, spaced=True)
        yield from source.space()
        yield from self._call(source, calls)
        while (yield from self._goes_on(source)):
            calls.begin()
            yield from source.accept(self.separator, spaced=self._spaced)
            yield from source.space()
            yield from self._call(source, calls)
        for word in self.after:
            yield from source.accept(word, spaced=True)

    def _goes_on(self, source: Source) -> Step[bool]:
        if self.after and (yield from source.ahead(self.after[0], spaced=True)):
            return False
        return bool((yield from source.ahead(self.separator, spaced=self._spaced)))

    @property
    def _spaced(self) -> bool:
        return not self.separator.isspace()

    def _call(self, source: Source, calls: Calls) -> Step[None]:
        name = yield from source.word(_NAME)
        yield from source.expect("(")
        if self.suffix and not name.endswith(self.suffix):
            raise Malformed(f"{name} is no function")
        out = calls.open(name.removesuffix(self.suffix))
        out.open("{", "}")
        keys: set[str] = set()
        yield from source.space()
        while not (yield from source.accept(")")):
            key = yield from self._key(source, keys)
            lead = ", " if keys else ""
            keys.add(key)
            yield from python_literal.value(source, out, f"{lead}{quoted(key)}: ")
            yield from source.space()
            if not (yield from source.accept(",")) and (yield from source.need()) != ")":
                raise Malformed("a comma is missing")
            yield from source.space()
        out.close()
        calls.close()

    def _key(self, source: Source, keys: set[str]) -> Step[str]:
        key = yield from source.word(_NAME)
        yield from source.expect("=", spaced=True)
        yield from source.space()
        if key in keys:
            raise Malformed(f"argument {key} comes twice")
        return key
