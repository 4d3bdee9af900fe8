"""What a parser makes of a text, in a form that does not depend on how the text was cut."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from ovapi.language.events import (
    OutputEvent,
    ReasoningDelta,
    TextDelta,
    ToolCallDelta,
    ToolCallEnd,
    ToolCallStart,
)
from ovapi.language.families import Family, named
from ovapi.language.offered_tools import OfferedTools
from ovapi.language.parsing.output_parser import OutputParser

F_PARAMETERS: dict[str, Any] = {
    "type": "object",
    "properties": {
        "text": {"type": "string"},
        "other": {"type": "string"},
        "count": {"type": "integer"},
        "ratio": {"type": "number"},
        "flag": {"type": "boolean"},
        "maybe": {"anyOf": [{"type": "string"}, {"type": "null"}]},
        "either": {"type": ["string", "integer"]},
        "tags": {"type": "array", "items": {"type": "string"}},
        "options": {"type": "object"},
    },
}
TOOLS = [
    {"type": "function", "function": {"name": "f", "parameters": F_PARAMETERS}},
    {"type": "function", "function": {"name": "g"}},
]


@dataclass
class Call:
    id: str
    name: str
    arguments: str = ""
    missing: str | None = None  # None while the call is open

    @property
    def value(self) -> Any:
        return json.loads(self.arguments)


@dataclass
class Outcome:
    """`order` tells what came when: t, r and c for text, thought and calls."""

    text: str = ""
    reasoning: str = ""
    order: str = ""
    calls: list[Call] = field(default_factory=list)
    malformed: int = 0
    truncated: int = 0
    unknown: int = 0

    @property
    def made(self) -> list[tuple[str, Any]]:
        """The complete calls, with their arguments read."""
        return [(call.name, call.value) for call in self.calls if call.missing == ""]

    def add(self, event: OutputEvent) -> None:
        match event:
            case TextDelta(text):
                self.text += text
                self._came("t", text)
            case ReasoningDelta(text):
                self.reasoning += text
                self._came("r", text)
            case ToolCallStart(index, id, name):
                assert index == len(self.calls)
                self.calls.append(Call(id, name))
                self._came("c", name)
            case ToolCallDelta(index, arguments):
                assert index == len(self.calls) - 1
                assert self.calls[index].missing is None
                assert arguments
                self.calls[index].arguments += arguments
            case ToolCallEnd(index, missing):
                assert index == len(self.calls) - 1
                assert self.calls[index].missing is None
                self.calls[index].missing = missing
                assert isinstance(json.loads(self.calls[index].arguments + missing), dict)

    def _came(self, kind: str, text: str) -> None:
        assert text
        if not self.order.endswith(kind) or kind == "c":
            self.order += kind


def parser_of(
    family: str | Family,
    opened: bool = False,
    tools: Sequence[dict[str, Any]] = TOOLS,
    **options: Any,
) -> OutputParser:
    ids = (f"call-{number}" for number in count())
    chosen = named(family) if isinstance(family, str) else family
    any_function = options.pop("any_function", False)
    offered = OfferedTools.of(tools, any_function)
    return chosen.parser(offered, opened, new_id=lambda: next(ids), **options)


def outcome_of(parser: OutputParser, pieces: Iterable[str]) -> Outcome:
    outcome = Outcome()
    for piece in pieces:
        for event in parser.feed(piece):
            outcome.add(event)
    for event in parser.finish():
        outcome.add(event)
    outcome.malformed = parser.malformed
    outcome.truncated = parser.truncated
    outcome.unknown = parser.unknown
    assert all(call.missing is not None for call in outcome.calls)
    return outcome


def read(family: str | Family, text: str, opened: bool = False, **options: Any) -> Outcome:
    """The outcome of the whole text, which that of its single characters must equal."""
    whole = outcome_of(parser_of(family, opened, **options), [text])
    assert outcome_of(parser_of(family, opened, **options), text) == whole
    return whole
