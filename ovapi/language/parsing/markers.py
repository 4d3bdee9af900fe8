"""Markers: finds the first of a set of fixed strings in text that is still growing."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable
from functools import lru_cache


class Markers:
    """The leftmost marker counts, of those that begin there the shortest.

    That makes what is found independent of the pieces in which the text arrives.
    """

    __slots__ = ("_pattern", "_prefixes", "first", "longest")

    def __init__(self, words: Iterable[str]) -> None:
        ordered = sorted({word for word in words if word}, key=len)
        never = "(?!)"
        self._pattern = re.compile("|".join(map(re.escape, ordered)) or never)
        self._prefixes = {word[:end] for word in ordered for end in range(1, len(word))}
        self.longest = max(map(len, ordered), default=0)
        firsts = "".join(sorted({re.escape(word[0]) for word in ordered}))
        self.first = re.compile(f"[{firsts}]" if firsts else never)

    def search(
        self, text: str, start: int, ended: bool, end: int = sys.maxsize
    ) -> re.Match[str] | None:
        """The marker that comes first in text[start:end], once no earlier one can come about."""
        found = self._pattern.search(text, start, end)
        if found is None or ended or self.held_from(text, start) >= found.start():
            return found
        return None

    def held_from(self, text: str, start: int) -> int:
        """From where on the text must wait, since a marker may begin there; or its length."""
        first = self.first.search(text, max(start, len(text) - self.longest + 1))
        if first is None:
            return len(text)
        for position in range(first.start(), len(text)):
            if text[position:] in self._prefixes:
                return position
        return len(text)


def markers(*words: str) -> Markers:
    """The same set is compiled once."""
    return _compiled(frozenset(words))


@lru_cache(maxsize=256)
def _compiled(words: frozenset[str]) -> Markers:
    return Markers(words)
