"""What a model's text turns out to mean: the neutral events of an answer.

    TextDelta        a piece of the answer
    ReasoningDelta   a piece of the thought before it
    ToolCallStart    a call of an offered function begins
    ToolCallDelta    a fragment of its arguments
    ToolCallEnd      nothing more comes for it

The fragments of one call, concatenated, are one JSON object. A call that breaks off ends with
`missing`, the characters that its fragments lack to be one.
"""

from __future__ import annotations

from dataclasses import dataclass

from ovapi.core import Delta


@dataclass(frozen=True, slots=True)
class TextDelta:
    text: str


@dataclass(frozen=True, slots=True)
class ReasoningDelta:
    text: str


@dataclass(frozen=True, slots=True)
class ToolCallStart:
    """`index` counts the calls of an answer from 0; `id` is the one the client gets."""

    index: int
    id: str
    name: str


@dataclass(frozen=True, slots=True)
class ToolCallDelta:
    """A fragment of the JSON text of a call's arguments, never empty."""

    index: int
    arguments: str


@dataclass(frozen=True, slots=True)
class ToolCallEnd:
    """The call is over. `missing` is "" if its arguments are whole.

    Otherwise the model stopped or stumbled inside them: fragments + `missing` is valid JSON, of
    which the last value may be cut short.
    """

    index: int
    missing: str = ""

    @property
    def complete(self) -> bool:
        return not self.missing


OutputEvent = TextDelta | ReasoningDelta | ToolCallStart | ToolCallDelta | ToolCallEnd


@dataclass(frozen=True, slots=True)
class ParsedDelta(Delta):
    """A Delta whose `text` is as the model wrote it, and what that text means.

    The parts may lag behind the text: what may become a marker waits for what follows it.
    """

    parts: tuple[OutputEvent, ...] = ()
