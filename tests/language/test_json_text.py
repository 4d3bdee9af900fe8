"""JSON is copied as it is, strictly, and never taken further than it is safe to close it."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ovapi.language.parsing import json_text, python_literal
from ovapi.language.parsing.arguments import Arguments, Value
from ovapi.language.parsing.source import Malformed, Source, Step, Truncated

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=20,
)  # fmt: skip


def copy(text: str, parse: Callable[[Source, Value], Step[None]] = json_text.value) -> str:
    """What has been written after each character can be closed to be JSON."""
    pieces: list[str] = []
    out = Arguments(pieces.append)
    source = Source()
    steps = parse(source, out)
    for char in text:
        source.push(char)
        try:
            next(steps)
        except StopIteration:
            return "".join(pieces)
        if out.begun:
            json.loads("".join(pieces) + out.missing)
    source.ended = True
    next(steps)  # raises Truncated
    raise AssertionError("a parser waits for text after its end")


@given(JSON, st.sampled_from([None, 1]), st.booleans())
def test_json_is_copied_verbatim(value: Any, indent: int | None, ascii: bool) -> None:
    text = json.dumps(value, indent=indent, ensure_ascii=ascii)
    assert copy(f"[{text}]") == f"[{text}]"


@pytest.mark.parametrize(
    "text",
    ["01", "1.", ".5", "+1", "NaN", "Infinity", "-", "1e", "tru", "True", "'a'", "{a: 1}", "[1,]",
     '{"a": 1,}', "[1 2]", '{"a" 1}', '{"a"}', '["\\x41"]', '["\\u00g0"]', "[,1]", "nulls", "1 1",
     '{1: 2}', "1_000"],
)  # fmt: skip
def test_what_is_no_json_is_refused(text: str) -> None:
    with pytest.raises(Malformed) as raised:
        copy(f"[{text}]")
    assert raised.type is Malformed


@pytest.mark.parametrize("text", ['"a', '"a\\', '"\\u00', "[1", '{"a', '{"a":', "[1,", "{"])
def test_json_that_ends_early_is_truncated(text: str) -> None:
    with pytest.raises(Truncated):
        copy(text)


def test_bare_control_characters_are_escaped() -> None:
    assert json.loads(copy('"a\nb\t\x00"')) == "a\nb\t\x00"


@given(JSON)
def test_python_is_written_as_json(value: Any) -> None:
    assert json.loads(copy(f"[{value!r}]", python_literal.value)) == [value]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("(1, 'a')", [1, "a"]),
        ("()", []),
        ("[1, 2, ]", [1, 2]),
        ("{'a': (), 1: None, True: 2}", {"a": [], "1": None, "true": 2}),
        ("'''it's\n\"so\"'''", 'it\'s\n"so"'),
        ('""', ""),
        ("''", ""),
        (r"'\x41\u00e9\U0001F600\n\d\'\"\\'", "Aé😀\n\\d'\"\\"),
        (r"'\ud83d\ude00'", "😀"),
        ("1_000", 1000),
        ("-.5", -0.5),
        ("+1", 1),
        ("0x1F", 31),
        ("true", True),
        ("null", None),
    ],
)
def test_python_has_other_forms(text: str, value: Any) -> None:
    assert json.loads(copy(f"[{text}]", python_literal.value)) == [value]


@pytest.mark.parametrize(
    "text",
    ["nan", "inf", "-inf", "f()", "a", "b'x'", "1 + 1", "[1 2]", "{1, 2}", "'\\xg0'",
     "'\\U00110000'", "1j", "9" * 5000 + "_0"],
)  # fmt: skip
def test_what_is_no_literal_is_refused(text: str) -> None:
    with pytest.raises(Malformed):
        copy(f"[{text}]", python_literal.value)
