"""StopMatcher: cuts generated text at stop strings, whatever the pieces it arrives in."""

from __future__ import annotations

from collections.abc import Sequence


class _Automaton:
    """Knuth-Morris-Pratt matching of one stop string, a character at a time.

    `matched` is the length of the longest prefix of the stop string that ends the text so far.
    """

    __slots__ = ("_fallback", "matched", "stop")

    def __init__(self, stop: str) -> None:
        self.stop = stop
        self.matched = 0
        self._fallback = _fallbacks(stop)

    def feed(self, char: str) -> bool:
        """Advance by one character; true if the stop string is complete with it."""
        matched = self.matched
        while matched and self.stop[matched] != char:
            matched = self._fallback[matched - 1]
        if self.stop[matched] == char:
            matched += 1
        self.matched = matched
        return matched == len(self.stop)


def _fallbacks(stop: str) -> list[int]:
    """For each prefix, the length of its longest proper suffix that is a prefix as well."""
    table = [0] * len(stop)
    length = 0
    for position in range(1, len(stop)):
        while length and stop[position] != stop[length]:
            length = table[length - 1]
        if stop[position] == stop[length]:
            length += 1
        table[position] = length
    return table


class StopMatcher:
    """Gives out text up to the first stop string; the first to be complete counts.

    If several are complete at the same character the longest counts. Text that may turn out to
    be the beginning of a stop string is held back until it is known, or `flush` is called; with
    `include` the stop string is part of the text and nothing needs to be held back.
    """

    def __init__(self, stops: Sequence[str], include: bool = False) -> None:
        self.match: str | None = None
        self._automata = [_Automaton(stop) for stop in stops if stop]
        self._include = include
        self._held = ""

    def push(self, text: str) -> str:
        """Take the next piece of text; return what may be given out. Nothing after a match."""
        if self.match is not None:
            return ""
        if not self._automata:
            return text
        text = self._held + text
        for position in range(len(self._held), len(text)):
            if self._feed(text[position]):
                return self._cut(text[: position + 1])
        return self._hold(text)

    def _feed(self, char: str) -> bool:
        complete = [automaton.stop for automaton in self._automata if automaton.feed(char)]
        if complete:
            self.match = max(complete, key=len)
        return bool(complete)

    def _cut(self, text: str) -> str:
        assert self.match is not None
        self._held = ""
        return text if self._include else text[: len(text) - len(self.match)]

    def _hold(self, text: str) -> str:
        if self._include:
            return text
        held = max(automaton.matched for automaton in self._automata)
        self._held = text[len(text) - held :]
        return text[: len(text) - held]

    def flush(self) -> str:
        """The text has ended: what was held back is no stop string."""
        text, self._held = self._held, ""
        return text
