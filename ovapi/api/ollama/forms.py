"""What an answer says, as Ollama's endpoints show it: text, thought, and calls as objects."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from ovapi.core import Delta
from ovapi.http.answer.json_encoder import encode_json
from ovapi.language.events import (
    OutputEvent,
    ParsedDelta,
    ReasoningDelta,
    TextDelta,
    ToolCallDelta,
    ToolCallEnd,
    ToolCallStart,
)

Call = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Said:
    """A piece of an answer, or all of it."""

    text: str = ""
    thinking: str = ""
    calls: Sequence[Call] = ()

    def __bool__(self) -> bool:
        return bool(self.text or self.thinking or self.calls)


Form = Callable[[Said], dict[str, Any]]
"""A piece as an endpoint shows it."""


def chat_form(said: Said) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": said.text}
    if said.thinking:
        message["thinking"] = said.thinking
    if said.calls:
        message["tool_calls"] = list(said.calls)
    return {"message": message}


def generate_form(said: Said) -> dict[str, Any]:
    thinking = {"thinking": said.thinking} if said.thinking else {}
    return {"response": said.text, **thinking}


def joined(pieces: Iterable[Said]) -> Said:
    pieces = list(pieces)
    return Said(
        "".join([piece.text for piece in pieces]),
        "".join([piece.thinking for piece in pieces]),
        [call for piece in pieces for call in piece.calls],
    )


class Pieces:
    """From the deltas of one answer to what they say. A call comes when it is whole.

    One that breaks off is no object: it is text.
    """

    def __init__(self) -> None:
        self._call: ToolCallStart | None = None
        self._arguments: list[str] = []

    def of(self, delta: Delta) -> list[Said]:
        if not isinstance(delta, ParsedDelta):
            return [Said(delta.text)] if delta.text else []
        return list(filter(None, map(self._part, delta.parts)))

    def rest(self) -> Iterator[Said]:
        """What is left at the end: a call of which nothing more came."""
        if self._call is not None:
            yield self._broken(self._call)

    def _part(self, part: OutputEvent) -> Said | None:
        match part:
            case TextDelta(text):
                return Said(text)
            case ReasoningDelta(text):
                return Said(thinking=text)
            case ToolCallStart():
                self._call, self._arguments = part, []
            case ToolCallDelta(_, fragment):
                self._arguments.append(fragment)
            case ToolCallEnd():
                return self._end(part)
        return None

    def _end(self, end: ToolCallEnd) -> Said:
        call, self._call = self._call, None
        assert call is not None
        arguments = _object("".join(self._arguments)) if end.complete else None
        if arguments is None:
            return self._broken(call)
        function = {"index": call.index, "name": call.name, "arguments": arguments}
        return Said(calls=[{"id": call.id, "function": function}])

    def _broken(self, call: ToolCallStart) -> Said:
        name = json.dumps(call.name, ensure_ascii=False)
        return Said(f'{{"name": {name}, "arguments": {"".join(self._arguments)}')


def _object(text: str) -> Any:
    """The arguments, if JSON can say them again: numbers may be too large, and text no text."""
    try:
        value = json.loads(text)
        encode_json(value)
    except (ValueError, OverflowError):
        return None
    return value
