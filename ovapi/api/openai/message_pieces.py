"""Messages of an assistant in OpenAI's form, whole and in deltas: text, thought and calls."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from ovapi.core import Delta
from ovapi.language.events import (
    OutputEvent,
    ParsedDelta,
    ReasoningDelta,
    TextDelta,
    ToolCallDelta,
    ToolCallStart,
)


@dataclass(frozen=True, slots=True)
class MessageForm:
    """`reasoning` are the fields that show thought. `legacy`: a call is a `function_call`."""

    reasoning: tuple[str, ...] = ()
    legacy: bool = False

    def finish_reason(self, reason: str | None) -> str | None:
        return "function_call" if self.legacy and reason == "tool_calls" else reason

    def delta(self, part: OutputEvent) -> dict[str, Any]:
        """What a chunk says of a part; empty if nothing.

        The first fragment of a call has its id and name, the others its arguments.
        """
        match part:
            case TextDelta(text):
                return {"content": text}
            case ReasoningDelta(text):
                return dict.fromkeys(self.reasoning, text)
            case ToolCallStart(index, id, name):
                function = {"name": name, "arguments": ""}
                return self._call(index, function, {"id": id, "type": "function"})
            case ToolCallDelta(index, arguments):
                return self._call(index, {"arguments": arguments}, {})
        return {}

    def hides(self, delta: Delta) -> bool:
        """Whether the delta is of thought that is not shown."""
        if self.reasoning or not isinstance(delta, ParsedDelta):
            return False
        return any(isinstance(part, ReasoningDelta) for part in delta.parts)

    def _call(self, index: int, function: dict[str, str], head: dict[str, str]) -> dict[str, Any]:
        if self.legacy:
            return {"function_call": function}
        return {"tool_calls": [{"index": index, **head, "function": function}]}


class MessagePieces:
    """What the deltas of one answer come to."""

    def __init__(self, deltas: Iterable[Delta]) -> None:
        self._text: list[str] = []
        self._reasoning: list[str] = []
        self._calls: list[tuple[ToolCallStart, list[str]]] = []
        for delta in deltas:
            if isinstance(delta, ParsedDelta):
                for part in delta.parts:
                    self._add(part)
            else:
                self._text.append(delta.text)

    def _add(self, part: OutputEvent) -> None:
        match part:
            case TextDelta(text):
                self._text.append(text)
            case ReasoningDelta(text):
                self._reasoning.append(text)
            case ToolCallStart():
                self._calls.append((part, []))
            case ToolCallDelta(index, arguments):
                self._calls[index][1].append(arguments)

    def message(self, form: MessageForm) -> dict[str, Any]:
        """The fields of the message beside those that are always the same."""
        text = "".join(self._text)
        fields: dict[str, Any] = {"content": text or (None if self._calls else "")}
        if self._reasoning:
            fields.update(dict.fromkeys(form.reasoning, "".join(self._reasoning)))
        if self._calls and form.legacy:
            call, arguments = self._calls[0]
            fields["function_call"] = {"name": call.name, "arguments": "".join(arguments)}
        elif self._calls:
            fields["tool_calls"] = [_call(call, arguments) for call, arguments in self._calls]
        return fields


def _call(call: ToolCallStart, arguments: list[str]) -> dict[str, Any]:
    function = {"name": call.name, "arguments": "".join(arguments)}
    return {"id": call.id, "type": "function", "function": function}
