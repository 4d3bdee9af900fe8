"""Our keywords find what jsonschema's find, and do not look at more than they must."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from jsonschema.validators import extend

from ovapi.validation.schemas import Validator

SCHEMAS: list[dict[str, Any]] = [
    {"type": "integer"},
    {"type": ["string", "null"]},
    {"enum": ["a", None, True]},
    {"minLength": 1, "maxLength": 2},
    {"minItems": 1, "maxItems": 2},
    {"minProperties": 1, "maxProperties": 1},
    {"properties": {"a": {}}, "additionalProperties": False},
    {"properties": {"a": {}}, "additionalProperties": {"type": "string"}},
    {"additionalProperties": False},
    {"additionalProperties": True},
]
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(0, 2) | st.floats(0, 2) | st.text("ab", max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("ab"), inner, max_size=2),
    max_leaves=6,
)
ORDINARY = extend(Draft202012Validator, type_checker=Validator.TYPE_CHECKER)


@pytest.mark.parametrize("schema", SCHEMAS, ids=str)
@settings(deadline=None)
@given(value=VALUES)
def test_the_errors_are_the_ordinary_ones(schema: dict[str, Any], value: object) -> None:
    assert violations(Validator, schema, value) == violations(ORDINARY, schema, value)


def violations(kind: Any, schema: dict[str, Any], value: object) -> list[object]:
    errors = kind(schema).iter_errors(value)
    return sorted((str(one.json_path), str(one.validator)) for one in errors)


class Unprintable(str):
    """Whoever quotes it has looked at all of a body, which may be millions of values."""

    def __repr__(self) -> str:
        raise AssertionError("a value was quoted")


@pytest.mark.parametrize(
    ("keyword", "schema", "value"),
    [
        ("type", {"type": "number"}, [Unprintable()]),
        ("type", {"type": "number"}, Unprintable()),
        ("maxItems", {"maxItems": 1}, [Unprintable(), Unprintable()]),
        ("minItems", {"minItems": 2}, [Unprintable()]),
        ("maxProperties", {"maxProperties": 0}, {Unprintable("a"): 1}),
        ("minProperties", {"minProperties": 2}, {Unprintable("a"): 1}),
        ("maxLength", {"maxLength": 0}, Unprintable("a")),
        ("minLength", {"minLength": 2}, Unprintable("a")),
        ("enum", {"enum": ["b"]}, Unprintable("a")),
        ("additionalProperties", {"additionalProperties": False}, {Unprintable("a"): 1}),
    ],
)
def test_no_value_is_quoted(keyword: str, schema: dict[str, Any], value: object) -> None:
    assert [error.validator for error in Validator(schema).iter_errors(value)] == [keyword]
