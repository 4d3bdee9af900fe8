"""Source: a model's text as it arrives, read by parsers that can wait for more of it.

Parsers are generators. They yield when they need text that has not come, and are resumed when it
has, so that they read like parsers of whole texts and give the same for every way in which the
text is cut. What they leave unread is at most a few dozen characters, which keeps the cost linear.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Generator
from typing import TypeAlias, TypeVar

from ovapi.language.parsing.markers import Markers

T = TypeVar("T")
Step: TypeAlias = Generator[None, None, T]
"""A parser that returns a T once it has read enough."""

Sink: TypeAlias = Callable[[str], None]

MAX_NAME = 256
"""Characters that the name of a function or parameter, or a header, may have."""

_MAX_SPACE = 64  # white space to look past for what may follow
_SPACE = re.compile(r"[ \t\r\n]*")


class Malformed(Exception):
    """The text is not what its beginning promised."""


class Truncated(Malformed):
    """The text has ended in the middle."""


class Source:
    """`ended`: no more text comes. `record` gets every character that is read, if it is set."""

    __slots__ = ("_at", "_passing", "_text", "ended", "record")

    def __init__(self, text: str = "", ended: bool = False) -> None:
        self._text = text
        self._at = 0
        self._passing: tuple[re.Pattern[str], Sink] | None = None
        self.ended = ended
        self.record: Sink | None = None

    @property
    def rest(self) -> str:
        """The unread text."""
        return self._text[self._at :]

    def push(self, piece: str) -> None:
        self._text = self._text[self._at :] + piece
        self._at = 0

    def pass_on(self, piece: str) -> bool:
        """Give a piece without markers straight to the sink; false if a parser must read it."""
        if self._passing is None or self._passing[0].search(piece):
            return False
        self._passing[1](piece)
        return True

    def take(self, count: int) -> str:
        """Read `count` characters that have come."""
        taken = self._text[self._at : self._at + count]
        self._at += count
        if self.record is not None:
            self.record(taken)
        return taken

    def error(self, what: str, *words: str) -> Malformed:
        """The error to raise where one of the words should come next."""
        return Truncated(what) if self._cut_short(words) else Malformed(what)

    def _cut_short(self, words: tuple[str, ...]) -> bool:
        """Has the text ended where, or within what, might have been one of the words?"""
        start = self._after_space()
        rest = self._text[start : start + MAX_NAME]
        return self.ended and (not rest or any(word.startswith(rest) for word in words))

    def peek(self) -> Step[str]:
        """The next character, "" at the end; it stays unread."""
        while self._at == len(self._text):
            if self.ended:
                return ""
            yield
        return self._text[self._at]

    def need(self, count: int = 1) -> Step[str]:
        """The next characters, unread; Truncated if there are fewer."""
        while len(self._text) - self._at < count:
            if self.ended:
                raise Truncated("the text ends")
            yield
        return self._text[self._at : self._at + count]

    def run(self, pattern: re.Pattern[str], sink: Sink) -> Step[None]:
        """Read while the characters match, whose pattern is of the form ``[…]*``."""
        while True:
            found = pattern.match(self._text, self._at)
            assert found is not None
            if found.end() > self._at:
                sink(self.take(found.end() - self._at))
            if self._at < len(self._text) or self.ended:
                return
            yield

    def word(self, pattern: re.Pattern[str]) -> Step[str]:
        """Like `run`, for names: Malformed if it is empty or very long."""
        pieces: list[str] = []
        while True:
            left = MAX_NAME + 1 - sum(map(len, pieces))
            found = pattern.match(self._text, self._at, self._at + left)
            assert found is not None
            pieces.append(self.take(found.end() - self._at))
            if found.end() - found.start() == left:
                raise Malformed("a name is too long")
            if self._at < len(self._text) or self.ended:
                break
            yield
        if not (word := "".join(pieces)):
            raise self.error("a name is missing")
        return word

    def space(self) -> Step[str]:
        """Read white space and return it."""
        pieces: list[str] = []
        yield from self.run(_SPACE, pieces.append)
        return "".join(pieces)

    def ahead(self, *words: str, spaced: bool = False) -> Step[str]:
        """That of the words with which the text goes on, "" if none; it stays unread.

        With `spaced` some white space may come before it.
        """
        while True:
            start = self._after_space() if spaced else self._at
            for word in words:
                if self._text.startswith(word, start):
                    return word
            if self._decided(start, words):
                return ""
            yield

    def accept(self, *words: str, spaced: bool = False) -> Step[str]:
        """Like `ahead`, but read the word and the white space before it."""
        if word := (yield from self.ahead(*words, spaced=spaced)):
            start = self._after_space() if spaced else self._at
            self.take(start + len(word) - self._at)
        return word

    def expect(self, *words: str, spaced: bool = False) -> Step[str]:
        """Like `accept`; Malformed if it is none of them."""
        if not (word := (yield from self.accept(*words, spaced=spaced))):
            raise self.error(f"{' or '.join(words)} is missing", *words)
        return word

    def followed_by(self, *words: str) -> Step[bool]:
        """Does the text go on with one of the words, after some white space, or end within it?"""
        word = yield from self.ahead(*words, spaced=True)
        return bool(word) or self._cut_short(words)

    def _after_space(self) -> int:
        found = _SPACE.match(self._text, self._at, self._at + _MAX_SPACE)
        assert found is not None
        return found.end()

    def _decided(self, start: int, words: tuple[str, ...]) -> bool:
        """Can no more text make the text from `start` on begin with one of the words?"""
        rest = self._text[start : start + max(map(len, words))]
        may_come = not rest or any(word.startswith(rest) for word in words)
        return self.ended or not may_come

    def until(self, markers: Markers, sink: Sink) -> Step[str]:
        """Pass text on up to the first marker, read that and return it; "" at the end."""
        while True:
            if found := markers.search(self._text, self._at, self.ended):
                self._pass(sink, found.start())
                return self.take(found.end() - found.start())
            end = len(self._text) if self.ended else markers.held_from(self._text, self._at)
            self._pass(sink, end)
            if self.ended:
                return ""
            if end == len(self._text) and self.record is None:
                self._passing = (markers.first, sink)
            yield
            self._passing = None

    def _pass(self, sink: Sink, end: int) -> None:
        if end > self._at:
            sink(self.take(end - self._at))

    def header(self, markers: Markers) -> Step[tuple[str, str]]:
        """A short text and the marker that ends it; Malformed, with nothing read, if it is long."""
        while True:
            end = self._at + MAX_NAME + markers.longest
            if found := markers.search(self._text, self._at, self.ended, end):
                return self.take(found.start() - self._at), self.take(len(found.group()))
            if len(self._text) >= end:
                raise Malformed("a header is too long")
            if self.ended:
                raise Truncated("the text ends in a header")
            yield
