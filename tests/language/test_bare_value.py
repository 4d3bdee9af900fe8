"""Values without quotes get their types from the schema."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ovapi.language.offered_tools import OfferedTools
from ovapi.language.parsing.arguments import Arguments
from ovapi.language.parsing.bare_value import BareValue, as_json

ANYTHING: list[str] = []


@pytest.mark.parametrize(
    ("kinds", "raw", "value"),
    [
        (["integer"], "5", 5),
        (["integer"], " 5\n", 5),
        (["integer"], "5.0", 5.0),
        (["integer"], "5.5", "5.5"),
        (["integer"], "five", "five"),
        (["number"], "5", 5),
        (["string"], "5", "5"),
        (["string"], "null", "null"),
        (["string"], '"a"', '"a"'),
        (["boolean"], "true", True),
        (["boolean"], "True", True),
        (["boolean"], "yes", "yes"),
        (["null"], "None", None),
        (["array"], "[1, 2]", [1, 2]),
        (["array"], "['a', None]", ["a", None]),
        (["array"], "1, 2", "1, 2"),
        (["object"], '{"a": {"b": []}}', {"a": {"b": []}}),
        (["object"], "{'a': True}", {"a": True}),
        (["object"], "[1]", "[1]"),
        (["string", "null"], "null", None),
        (["string", "null"], "nullable", "nullable"),
        (["string", "null"], "", ""),
        (["string", "integer"], "5", 5),
        (["string", "integer"], "true", "true"),
        (["string", "integer"], "5 apples", "5 apples"),
        (["string", "boolean"], "True", "True"),
        (ANYTHING, "5", 5),
        (ANYTHING, "[1", "[1"),
        (ANYTHING, '"a"', "a"),
        (ANYTHING, "True", "True"),
        (ANYTHING, "", ""),
        (ANYTHING, "NaN", "NaN"),
        (ANYTHING, "[" * 1000 + "]" * 1000, "[" * 1000 + "]" * 1000),
    ],
)
def test_type_is_the_schema_s(kinds: list[str], raw: str, value: Any) -> None:
    assert json.loads(written(kinds, [raw])) == value
    assert json.loads(written(kinds, list(raw))) == value
    if "string" not in kinds:
        assert json.loads(as_json(raw, frozenset(kinds))) == value


def written(kinds: list[str], pieces: list[str], lines: bool = False) -> str:
    fragments: list[str] = []
    value = BareValue(Arguments(fragments.append), "", frozenset(kinds), lines)
    for piece in pieces:
        value.put(piece)
    value.end()
    return "".join(fragments)


@given(st.lists(st.sampled_from(["\n", "a", "\n\n", " "])))
def test_line_breaks_around_a_value_are_none_of_it(pieces: list[str]) -> None:
    text = "".join(pieces)
    wanted = text.removeprefix("\n").removesuffix("\n")
    for kinds in (["string"], ["string", "null"], ANYTHING):
        assert json.loads(written(kinds, pieces, lines=True)) == wanted
        assert json.loads(written(kinds, pieces)) == text


def test_strings_come_out_at_once() -> None:
    for kinds in (["string"], ["string", "null"]):
        fragments: list[str] = []
        value = BareValue(Arguments(fragments.append), "", frozenset(kinds))
        value.put("Hello")
        assert "".join(fragments) == '"Hello'


SCHEMA: dict[str, Any] = {
    "properties": {
        "plain": {"type": "integer"},
        "list": {"type": ["integer", "null"]},
        "any_of": {"anyOf": [{"type": "string"}, {"type": "null"}]},
        "open": {"anyOf": [{"type": "string"}, {}]},
        "enum": {"enum": ["a", "b"]},
        "mixed": {"enum": ["a", 1, None, True, 0.5, [], {}]},
        "const": {"const": 1},
        "all_of": {"allOf": [{"type": ["string", "null"]}, {"type": "string"}, {"minLength": 1}]},
        "referred": {"$ref": "#/$defs/one"},
        "twice": {"oneOf": [{"$ref": "#/$defs/one"}, {"$ref": "#/$defs/one"}]},
        "endless": {"$ref": "#/$defs/endless"},
        "lost": {"$ref": "#/$defs/none"},
        "remote": {"$ref": "https://example.com"},
        "true": True,
        "untyped": {"description": "?"},
        "odd": {"type": 5, "anyOf": [], "enum": 3, "allOf": None},
    },
    "additionalProperties": {"type": "number"},
    "$defs": {"one": {"type": "string"}, "endless": {"anyOf": [{"$ref": "#/$defs/endless"}]}},
}


@pytest.mark.parametrize(
    ("parameter", "kinds"),
    [
        ("plain", "integer"),
        ("list", "integer null"),
        ("any_of", "string null"),
        ("open", ""),
        ("enum", "string"),
        ("mixed", "string integer null boolean number array object"),
        ("const", "integer"),
        ("all_of", "string"),
        ("referred", "string"),
        ("twice", "string"),
        ("endless", ""),
        ("lost", ""),
        ("remote", ""),
        ("true", ""),
        ("untyped", ""),
        ("odd", ""),
        ("another", "number"),
    ],
)
def test_types_are_found_in_the_schema(parameter: str, kinds: str) -> None:
    tools = OfferedTools.of([{"type": "function", "function": {"name": "f", "parameters": SCHEMA}}])
    assert tools.kinds("f", parameter) == set(kinds.split())
    assert tools.kinds("g", parameter) == set()


def test_schema_of_references_upon_references_is_read_once() -> None:
    definitions: dict[str, Any] = {
        str(level): {"anyOf": [{"$ref": f"#/$defs/{level + 1}"}] * 50} for level in range(50)
    }
    schema = {"properties": {"a": {"$ref": "#/$defs/0"}}, "$defs": definitions}
    assert OfferedTools({"f": schema}).kinds("f", "a") == set()
