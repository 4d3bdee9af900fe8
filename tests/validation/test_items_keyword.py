"""The fast way through long arrays finds what the ordinary way finds."""

from __future__ import annotations

import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from jsonschema.validators import extend

from ovapi.errors import InvalidRequest
from ovapi.validation.keywords import quick_test
from ovapi.validation.schemas import Schemas, Validator

SCHEMAS = Schemas()

SIMPLE: list[dict[str, Any]] = [
    {"type": "integer"},
    {"type": "integer", "minimum": 0, "maximum": 3},
    {"type": ["string", "null"], "minLength": 1, "maxLength": 2},
    {"type": ["string", "integer", "array"], "minItems": 1, "maxItems": 2, "minimum": 0},
    {"type": "array", "items": {"type": "array", "items": {"type": "integer", "minimum": 1}}},
    {"type": "number", "maximum": 2},
    {"type": "string", "enum": ["a"]},
    {"type": "boolean"},
    {"type": ["boolean", "null"], "enum": [True, None]},
    {"const": "a"},
    {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]},
    {"type": "object", "properties": {"a": {"type": "string"}}, "additionalProperties": False},
    {"type": "object", "additionalProperties": {"type": "integer"}, "maxProperties": 1},
    {"type": ["object", "null"], "properties": {"a": {"enum": ["a", None]}}, "minProperties": 1},
    {"minimum": 1},
    {},
]
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 5) | st.floats(-1, 4) | st.text("ab", max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("a"), inner, max_size=1),
    max_leaves=6,
)


@pytest.mark.parametrize("schema", SIMPLE, ids=str)
@settings(deadline=None)
@given(value=VALUES)
def test_what_the_quick_test_passes_is_valid(schema: dict[str, Any], value: object) -> None:
    assert not quick_test(schema)(value) or Validator(schema).is_valid(value)


@pytest.mark.parametrize("schema", SIMPLE, ids=str)
@settings(deadline=None)
@given(values=st.lists(VALUES, max_size=4))
def test_the_errors_are_the_ordinary_ones(schema: dict[str, Any], values: list[object]) -> None:
    whole = {"type": "array", "items": schema}
    ordinary = extend(Draft202012Validator, type_checker=Validator.TYPE_CHECKER)
    assert violations(Validator, whole, values) == violations(ordinary, whole, values)


def violations(kind: Any, schema: dict[str, Any], values: list[object]) -> list[object]:
    errors = kind(schema).iter_errors(values)
    return [(list(one.absolute_path), one.validator) for one in errors]


@pytest.mark.parametrize("prompt", [list(range(200_000)), [[1, 2]] * 60_000, ["a"] * 200_000])
def test_a_long_prompt_is_checked_at_once(prompt: list[Any]) -> None:
    start = time.perf_counter()
    SCHEMAS.validate("openai/completion_request", {"prompt": prompt})
    assert time.perf_counter() - start < 2


@pytest.mark.parametrize(
    "messages",
    [
        [{"role": "user", "content": "hi"}] * 10_000,
        [{"role": "user", "content": [{"type": "text", "text": "x"}] * 500}] * 200,
    ],
    ids=["messages", "parts"],
)
def test_long_conversations_are_checked_at_once(messages: list[Any]) -> None:
    start = time.perf_counter()
    SCHEMAS.validate("openai/chat_request", {"messages": messages})
    assert time.perf_counter() - start < 2


def test_the_violation_in_a_long_prompt_is_found() -> None:
    with pytest.raises(InvalidRequest) as caught:
        SCHEMAS.validate("openai/completion_request", {"prompt": [*range(50_000), -1]})
    assert caught.value.param == "prompt[50000]"
