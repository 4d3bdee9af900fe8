"""Reads thought as it arrives, up to where it ends."""

from __future__ import annotations

import re

from ovapi.language.parsing.markers import markers
from ovapi.language.parsing.source import Sink, Source, Step
from ovapi.language.reasoning.format import ReasoningFormat

_LINE_BREAKS = re.compile(r"\n*")


class Thought:
    """Gives thought to `sink` without the line breaks around it."""

    def __init__(self, source: Source, format: ReasoningFormat, sink: Sink, hidden: frozenset[str]):
        self._source = source
        self._format = format
        self._sink = sink
        self._hidden = hidden
        self._breaks = 0  # held back, since they may be the last

    def read(self) -> Step[None]:
        """Up to and with the marker that ends it; to the end of the text if none does."""
        yield from self._source.run(_LINE_BREAKS, lambda _: None)
        ends = markers(*self._format.closers, *self._hidden)
        while marker := (yield from self._source.until(ends, self._put)):
            if marker in self._format.closers:
                yield from self._source.run(_LINE_BREAKS, lambda _: None)
                return

    def _put(self, text: str) -> None:
        inner = text.rstrip("\n")
        if inner:
            self._sink("\n" * self._breaks + inner)
            self._breaks = 0
        self._breaks += len(text) - len(inner)
