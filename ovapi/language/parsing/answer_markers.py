"""AnswerMarkers: what may end plain text, in an answer of a family."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from ovapi.language.parsing.channels import ChannelFormat
from ovapi.language.parsing.markers import Markers, markers
from ovapi.language.reasoning.format import ReasoningFormat
from ovapi.language.tools.calls import ToolFormat


@dataclass(frozen=True, slots=True)
class AnswerMarkers:
    """`anywhere` are found in the middle of text, `fresh` and `starts` only where it could begin.

    `starts` are left for the format to read. `hidden` markers are no text and begin nothing.
    """

    anywhere: Markers
    fresh: tuple[str, ...]
    starts: tuple[str, ...]
    hidden: frozenset[str]


def answer_markers(
    format: ToolFormat | ChannelFormat | None,
    reasoning: ReasoningFormat | None,
    hidden: tuple[str, ...],
) -> AnswerMarkers:
    enders = format.enders if isinstance(format, ChannelFormat) else ()
    calls = format.openers if format else ()
    return _answer_markers(calls, format.starts if format else (), enders, reasoning, hidden)


@lru_cache(maxsize=256)
def _answer_markers(
    calls: tuple[str, ...],
    starts: tuple[str, ...],
    enders: tuple[str, ...],
    reasoning: ReasoningFormat | None,
    hidden: tuple[str, ...],
) -> AnswerMarkers:
    thought = reasoning.openers if reasoning else ()
    everywhere = thought if reasoning and reasoning.anywhere else ()
    known = (*calls, *starts, *enders, *thought, *(reasoning.closers if reasoning else ()))
    hidden += reasoning.hidden if reasoning else ()
    hidden = tuple(text for text in hidden if text and not any(text in word for word in known))
    return AnswerMarkers(
        anywhere=markers(*calls, *everywhere, *hidden),
        fresh=tuple(sorted((*calls, *thought, *hidden), key=len)),  # the shortest counts
        starts=starts,
        hidden=frozenset(hidden),
    )
