"""Every family's calls: what was written is what the client gets."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.language.outcome import outcome_of, parser_of, read
from tests.language.writers import START_ONLY, WRITERS

DIALECTS = pytest.mark.parametrize("dialect", WRITERS)

NASTY: list[dict[str, Any]] = [
    {},
    {"text": ""},
    {"text": "He said \"no\", then 'yes' \\ and \\n (not a break)"},
    {"text": "line one\nline two\n\n  indented\ttab"},
    {"text": "é 漢字 🎉 \u200b", "count": -5, "ratio": 1.5e-07, "flag": True},
    {"text": "<tool_call>{}</tool_call> <think> [TOOL_CALLS] <|channel|> >>> functools["},
    {"text": "</think> [/THINK] </function> <|im_end|> ]) }, {"},
    {"maybe": None, "either": 5, "tags": ["a", "b, c"], "options": {"a": {"b": [1, None, False]}}},
    {"maybe": "nullable", "tags": [], "options": {}},
    {"options": {"deep": [[[["x", {"y": "z\n\"'"}]]]]}},
    {"undeclared": {"a": 1}, "another": 2},
]


@DIALECTS
@pytest.mark.parametrize("arguments", NASTY, ids=range(len(NASTY)))
def test_one_call(dialect: str, arguments: dict[str, Any]) -> None:
    family, write = WRITERS[dialect]
    outcome = read(family, write([("f", arguments)]))
    assert outcome.made == [("f", arguments)]
    assert (outcome.text, outcome.malformed, outcome.truncated) == ("", 0, 0)


@DIALECTS
def test_two_calls(dialect: str) -> None:
    family, write = WRITERS[dialect]
    calls = [("f", {"text": "a", "count": 1}), ("g", {}), ("f", {"text": "b"})]
    outcome = read(family, write(calls))
    assert outcome.made == calls
    assert outcome.text == ""
    assert len({call.id for call in outcome.calls}) == 3


@DIALECTS
def test_text_before_and_after_is_kept(dialect: str) -> None:
    family, write = WRITERS[dialect]
    calls = write([("f", {"text": "a"})])
    if dialect in START_ONLY:
        assert read(family, f"Let me see. {calls}").text == f"Let me see. {calls}"
        return
    before = ">>>all\nLet me see.\n" if family == "functionary" else "Let me see.\n"
    outcome = read(family, f"{before}{calls}\n Done.")
    assert outcome.made == [("f", {"text": "a"})]
    assert outcome.text == "Let me see.\n\n Done."
    assert outcome.order == "tct"


@DIALECTS
def test_plain_text_comes_out_at_once(dialect: str) -> None:
    family, _ = WRITERS[dialect]
    parser = parser_of(family)
    for piece in ("Hello", " there", ", a", " = b", "\n\nis", " (so)", "."):
        (event,) = parser.feed(piece)
        assert event.text == piece  # type: ignore[union-attr]
    assert parser.finish() == []


@DIALECTS
def test_function_that_was_not_offered_is_text(dialect: str) -> None:
    family, write = WRITERS[dialect]
    text = write([("h", {"text": "a", "count": 1})])
    outcome = read(family, text)
    assert outcome.calls == []
    assert outcome.text == text
    assert outcome.unknown == (dialect not in START_ONLY)
    told = read(family, text, any_function=True)
    assert [name for name, _ in told.made] == ["h"]


@DIALECTS
def test_call_that_is_cut_short_is_completed_by_what_it_misses(dialect: str) -> None:
    family, write = WRITERS[dialect]
    text = write([("f", {"text": "abcdef", "other": "ghi"})])
    outcome = read(family, text[: text.index("def")])
    (call,) = outcome.calls
    assert json.loads(call.arguments + (call.missing or "")) == {"text": "abc"}
    assert call.missing == '"}'
    assert (outcome.truncated, outcome.malformed, outcome.text) == (1, 0, "")


@DIALECTS
def test_every_beginning_of_calls_is_read_without_loss(dialect: str) -> None:
    """Either there is a call, or all is text."""
    family, write = WRITERS[dialect]
    text = write([("f", {"text": 'a"\n', "count": 12, "tags": ["x"]}), ("g", {})])
    for end in range(len(text)):
        outcome = read(family, text[:end])
        if not outcome.calls and not outcome.order.startswith("r"):
            assert outcome.text == text[:end]


@DIALECTS
@given(data=st.data())
@settings(max_examples=30)
def test_any_arguments_in_any_pieces(dialect: str, data: st.DataObject) -> None:
    family, write = WRITERS[dialect]
    one = st.tuples(st.just("f"), ARGUMENTS) | st.just(("g", {}))
    calls = data.draw(st.lists(one, min_size=1, max_size=3))
    text = write(calls)
    pieces = data.draw(cuts(text))
    outcome = outcome_of(parser_of(family), pieces)
    assert outcome == outcome_of(parser_of(family), [text])
    assert outcome.made == calls


def cuts(text: str) -> st.SearchStrategy[list[str]]:
    """The text in pieces of any size."""

    def cut(places: set[int]) -> list[str]:
        ends = [*sorted(places), len(text)]
        return [text[start:end] for start, end in zip([0, *ends], ends, strict=False)]

    return st.sets(st.integers(0, len(text))).map(cut)


_MARKUP = re.compile(r"]]>|<|>|\r")
_TEXT = st.text(st.characters(exclude_categories=["Cs"])).filter(
    # where nothing is escaped a value cannot hold all that its tags are made of
    lambda text: not _MARKUP.search(text) and text != "null" and not text.startswith("\n")
)
_NUMBERS = st.floats(allow_nan=False, allow_infinity=False)
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | _TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner),
    max_leaves=5,
)
ARGUMENTS: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {},
    optional={
        "text": _TEXT,
        "other": _TEXT,
        "count": st.integers(),
        "ratio": _NUMBERS,
        "flag": st.booleans(),
        "maybe": st.none() | _TEXT.filter(lambda text: text.strip() != "null"),
        "tags": st.lists(_TEXT, max_size=3),
        "options": st.dictionaries(st.sampled_from("abc"), _JSON, max_size=3),
    },
)
