"""AnswerReader: from the text of an engine's answers to what it means, event by event."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ovapi.core import (
    Accepted,
    Delta,
    Event,
    Finished,
    FinishReason,
    GenerateRequest,
    Parsing,
    Usage,
)
from ovapi.errors import UnsupportedParameter
from ovapi.language.events import (
    OutputEvent,
    ParsedDelta,
    ReasoningDelta,
    TextDelta,
    ToolCallEnd,
    ToolCallStart,
)
from ovapi.language.model_language import ModelLanguage
from ovapi.language.offered_tools import OfferedTools
from ovapi.language.parsing.output_parser import OutputParser


class AnswerReader:
    """Reads the answers to one engine request, from its Accepted on.

    `cut` is the Finished of an answer that ended before the engine did, which is to be told.
    """

    def __init__(
        self, parsing: Parsing, language: ModelLanguage, hidden: tuple[str, ...] = ()
    ) -> None:
        self._parsing = parsing
        self._language = language
        self._hidden = hidden
        self._tools = OfferedTools.of(parsing.tools)
        self._prompt = Accepted(0)
        self._choices: dict[int, _Choice] = {}
        self.cut: Finished | None = None

    def read(self, event: Event) -> Sequence[Event]:
        """What the event means: itself, if it is no text."""
        if isinstance(event, Delta):
            return self._choice(event.index).take(event)
        if isinstance(event, Finished):
            return self._choice(event.index).finish(event)
        if isinstance(event, Accepted):
            self._prompt = event
        return (event,)

    @property
    def counts(self) -> dict[str, int]:
        """How many calls came to what, so far."""
        parsers = [choice.parser for choice in self._choices.values()]
        return {
            "complete": sum(choice.complete for choice in self._choices.values()),
            "malformed": sum(parser.malformed for parser in parsers),
            "truncated": sum(parser.truncated for parser in parsers),
            "unknown": sum(parser.unknown for parser in parsers),
        }

    def _choice(self, index: int) -> _Choice:
        if index not in self._choices:
            self._choices[index] = _Choice(self, self._parser(), index)
        return self._choices[index]

    def _parser(self) -> OutputParser:
        family = self._language.family
        return family.parser(self._tools, family.opened_by(self._prompt.prompt_end), self._hidden)

    @property
    def thinks(self) -> bool:
        return self._language.thinks

    @property
    def text_to_the_end(self) -> bool:
        """Whether nothing but text can come once there is text."""
        return not self._tools and not self._hidden and self._language.thinks_first

    @property
    def one_call(self) -> bool:
        return self._parsing.one_call

    @property
    def prompt_tokens(self) -> int:
        return self._prompt.prompt_tokens


class _Choice:
    """One answer. `tokens` and `reasoning` count its tokens, `complete` its whole calls."""

    def __init__(self, reader: AnswerReader, parser: OutputParser, index: int) -> None:
        self.parser = parser
        self.complete = 0
        self._reader = reader
        self._index = index
        self._tokens = 0
        self._reasoning = 0
        self._undecided = 0  # tokens that have not come to anything yet
        self._called = False
        self._only_text = False
        self._ended = False

    def take(self, delta: Delta) -> Sequence[Event]:
        if self._only_text:
            return (delta,)
        if self._ended:
            return ()
        parts = tuple(self.parser.feed(delta.text))
        self._count(parts, len(delta.token_ids))
        ends = [place for place, part in enumerate(parts, 1) if isinstance(part, ToolCallEnd)]
        if ends and self._reader.one_call:
            return (_parsed(delta, parts[: ends[0]]), self._cut())
        if parts and self._reader.text_to_the_end:
            self._only_text = isinstance(parts[-1], TextDelta)
        return (_parsed(delta, parts),)

    def finish(self, event: Finished) -> Sequence[Event]:
        if self._ended:
            return ()
        self._ended = True
        parts = tuple(self.parser.finish())
        self._count(parts, 0)
        usage = replace(event.usage, reasoning_tokens=self._thought)
        reason: FinishReason = event.reason
        if self._called and reason == "stop":
            reason = "tool_calls"
        finished = replace(event, reason=reason, usage=usage)
        rest = ParsedDelta("", index=self._index, parts=parts)
        return (rest, finished) if parts else (finished,)

    def _cut(self) -> Finished:
        self._ended = True
        usage = Usage(self._reader.prompt_tokens, self._tokens, None, self._thought)
        self._reader.cut = Finished("tool_calls", usage, self._index)
        return self._reader.cut

    def _count(self, parts: Sequence[OutputEvent], tokens: int) -> None:
        """Tokens of markers count as what follows them."""
        self._tokens += tokens
        self._undecided += tokens
        for part in parts:
            self._called |= isinstance(part, ToolCallStart)
            self.complete += isinstance(part, ToolCallEnd) and part.complete
        if parts:
            if isinstance(parts[0], ReasoningDelta):
                self._reasoning += self._undecided
            self._undecided = 0

    @property
    def _thought(self) -> int | None:
        return self._reasoning if self._reader.thinks else None


def _parsed(delta: Delta, parts: tuple[OutputEvent, ...]) -> ParsedDelta:
    return ParsedDelta(delta.text, delta.token_ids, delta.logprobs, delta.index, parts)


def reading(
    request: GenerateRequest, language: ModelLanguage | None
) -> tuple[GenerateRequest, AnswerReader | None]:
    """What to ask the engine for, and who reads the answer; None if it is text anyway.

    Raises UnsupportedParameter for tools that the model cannot be told of, or whose calls would
    not be found.
    """
    parsing = request.parsing
    if parsing is None:
        return request, None
    language = language or ModelLanguage()
    request = replace(request, parsing=None)
    if parsing.tools:
        _check_tools(language)
    elif not language.thinks:
        return request, None
    raw = bool(parsing.tools) or language.thinks_in_special_tokens
    hidden = language.special if raw and request.sampling.skip_special_tokens else ()
    if raw:
        sampling = replace(request.sampling, skip_special_tokens=False)
        request = replace(request, sampling=sampling)
    return replace(request, tells_prompt_end=True), AnswerReader(parsing, language, hidden)


def _check_tools(language: ModelLanguage) -> None:
    if not language.knows_tools and not language.taught:
        raise UnsupportedParameter(
            "'tools' cannot be used: this model's chat template does not support tools. Omit it, "
            "or set 'tools_by_system_message' in the configuration of the model.",
            param="tools",
        )
    if not language.family.tools:
        raise UnsupportedParameter(
            "'tools' cannot be used: the server does not know how this model writes tool calls. "
            "Omit it, or set 'tool_format' in the configuration of the model.",
            param="tools",
        )
