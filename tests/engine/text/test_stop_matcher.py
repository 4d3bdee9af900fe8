"""Stop strings against a plain reference, for every way to split a text."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from ovapi.engine.text.stop_matcher import StopMatcher

# few letters, so that stop strings overlap with the text, themselves and each other
TEXT = st.text(alphabet="abé🚀", max_size=24)
STOPS = st.lists(st.text(alphabet="abé🚀", min_size=1, max_size=5), max_size=4)
CUTS = st.lists(st.integers(0, 24), max_size=8)


def reference(text: str, stops: list[str], include: bool) -> tuple[str, str | None]:
    """The first stop string to be complete, the longest of those complete at once."""
    for end in range(1, len(text) + 1):
        complete = [stop for stop in stops if text[:end].endswith(stop)]
        if complete:
            stop = max(complete, key=len)
            return text[: end if include else end - len(stop)], stop
    return text, None


def pieces(text: str, cuts: list[int]) -> list[str]:
    borders = sorted({0, len(text), *(cut for cut in cuts if cut < len(text))})
    return [text[a:b] for a, b in pairwise(borders)]


@given(TEXT, STOPS, CUTS, st.booleans())
def test_every_split_agrees_with_the_reference(
    text: str, stops: list[str], cuts: list[int], include: bool
) -> None:
    matcher = StopMatcher(stops, include)
    out = [matcher.push(piece) for piece in pieces(text, cuts)]
    assert ("".join(out) + matcher.flush(), matcher.match) == reference(text, stops, include)


@given(TEXT, STOPS, CUTS)
def test_nothing_is_given_out_that_may_be_cut_later(
    text: str, stops: list[str], cuts: list[int]
) -> None:
    """After each piece the output is a prefix of what any continuation leaves."""
    matcher = StopMatcher(stops)
    seen = out = ""
    for piece in pieces(text, cuts):
        seen += piece
        out += matcher.push(piece)
        for stop in stops:
            for length in range(len(stop) + 1):
                final, _ = reference(seen + stop[length:], stops, False)
                assert final.startswith(out)


@given(TEXT, CUTS)
def test_text_is_not_held_back_without_need(text: str, cuts: list[int]) -> None:
    matcher = StopMatcher(["x"])
    for piece in pieces(text, cuts):
        assert matcher.push(piece) == piece


def test_nothing_follows_a_match() -> None:
    matcher = StopMatcher(["b"])
    assert matcher.push("abc") == "a"
    assert matcher.push("d") == ""
    assert matcher.flush() == ""


def test_empty_stop_strings_do_not_stop() -> None:
    assert StopMatcher([""]).push("abc") == "abc"
