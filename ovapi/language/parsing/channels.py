"""Channels: families whose whole answer is messages with headers, which say what each one is.

<|channel|>analysis<|message|>…<|end|><|start|>assistant<|channel|>final<|message|>…<|return|>
>>>all
…>>>f
{"a": 1}
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from ovapi.language.parsing.event_queue import EventQueue
from ovapi.language.parsing.markers import Markers, markers
from ovapi.language.parsing.source import Malformed, Sink, Source, Step
from ovapi.language.tools.calls import Calls
from ovapi.language.tools.named_json import call_with_json


@dataclass(frozen=True, slots=True)
class Header:
    """What a header announces: a call of `function`, else thought or text."""

    function: str | None = None
    thought: bool = False


_RECIPIENT = re.compile(r"\bto=(?:functions\.)?(?P<name>[^\s<]+)")
_CHANNEL = re.compile(r"(?:^|<\|channel\|>)(?P<channel>analysis|commentary|final)\b")
_FUNCTION = re.compile(r"[\w.\-]+")


def _harmony_header(text: str) -> Header:
    if recipient := _RECIPIENT.search(text):
        return Header(function=recipient["name"])
    if not (channel := _CHANNEL.search(text)):
        raise Malformed(f"{text} is no header")
    return Header(thought=channel["channel"] == "analysis")


def _functionary_header(text: str) -> Header:
    if not _FUNCTION.fullmatch(text):
        raise Malformed(f"{text} is no header")
    return Header() if text == "all" else Header(function=text)


@dataclass(frozen=True, slots=True)
class ChannelFormat:
    """`openers` begin a header, which one of `header_ends` ends; `enders` end a message.

    `starts` are openers only where an answer begins. `read_header` raises Malformed for what is no
    header, which then is text. `opened`: the prompt ends where a header is to follow.
    """

    openers: tuple[str, ...]
    header_ends: tuple[str, ...]
    read_header: Callable[[str], Header]
    enders: tuple[str, ...] = ()
    starts: tuple[str, ...] = ()
    prompt_opens: bool = False

    def parse(
        self, source: Source, calls: Calls, events: EventQueue, opener: str, hidden: frozenset[str]
    ) -> Step[None]:
        """Read messages up to the end of one that no other follows at once."""
        ends = markers(*self.enders, *self.openers, *hidden)
        while True:
            text, _ = yield from source.header(markers(*self.header_ends))
            header = self.read_header(text)
            if header.function is not None:
                yield from call_with_json(source, calls, header.function)
                if self.enders:
                    yield from source.accept(*self.enders, spaced=True)
                return
            calls.drop()
            sink = events.reasoning if header.thought else events.text
            opener = yield from self._body(source, ends, sink, hidden)
            if opener not in self.openers:
                return
            calls.begin(opener)

    def _body(self, source: Source, ends: Markers, sink: Sink, hidden: frozenset[str]) -> Step[str]:
        while (found := (yield from source.until(ends, sink))) in hidden:
            pass
        return found


HARMONY = ChannelFormat(
    openers=("<|start|>", "<|channel|>"),
    starts=("to=",),
    header_ends=("<|message|>",),
    enders=("<|end|>", "<|call|>", "<|return|>"),
    read_header=_harmony_header,
)

FUNCTIONARY = ChannelFormat(
    openers=(">>>",),
    header_ends=("\n",),
    read_header=_functionary_header,
    prompt_opens=True,
)
