"""Markers are found in growing text as in the whole."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from ovapi.language.parsing.markers import Markers
from ovapi.language.parsing.source import Source

WORDS = st.sets(st.text("ab<", min_size=1, max_size=5), max_size=4)


def split(words: set[str], pieces: list[str]) -> list[str]:
    """Text and markers in turn."""
    found = [""]
    source = Source()

    def read() -> object:
        while marker := (yield from source.until(markers, lambda text: add(text))):
            found.extend([marker, ""])

    def add(text: str) -> None:
        found[-1] += text

    markers = Markers(words)
    steps = read()
    next(steps)  # type: ignore[call-overload]
    for piece in pieces:
        if piece and not source.pass_on(piece):
            source.push(piece)
            next(steps)  # type: ignore[call-overload]
    source.ended = True
    next(steps, None)  # type: ignore[call-overload]
    return found


@given(WORDS, st.lists(st.text("ab<", max_size=6), max_size=8))
def test_leftmost_shortest_marker_counts(words: set[str], pieces: list[str]) -> None:
    text = "".join(pieces)
    found = split(words, pieces)
    assert "".join(found) == text
    assert found == split(words, list(text)) == split(words, [text]) == expected(words, text)


def expected(words: set[str], text: str) -> list[str]:
    found = [""]
    position = 0
    while position < len(text):
        here = [word for word in words if text.startswith(word, position)]
        if here:
            marker = min(here, key=len)
            found.extend([marker, ""])
            position += len(marker)
        else:
            found[-1] += text[position]
            position += 1
    return found
