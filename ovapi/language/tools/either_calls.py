"""Llama's calls: JSON objects or Python, with no more of a marker than how they begin."""

from __future__ import annotations

from dataclasses import dataclass

from ovapi.language.parsing.source import Source, Step
from ovapi.language.tools.calls import Calls
from ovapi.language.tools.json_calls import JsonCalls
from ovapi.language.tools.python_calls import PythonCalls


@dataclass(frozen=True, slots=True)
class EitherCalls:
    """JSON where a brace comes next, else Python."""

    json: JsonCalls
    python: PythonCalls
    openers: tuple[str, ...] = ()
    starts: tuple[str, ...] = ()

    def parse(self, source: Source, calls: Calls, opener: str) -> Step[None]:
        yield from source.space()
        char = yield from source.peek()
        chosen = self.json if char == "{" else self.python
        yield from chosen.parse(source, calls, opener)
