"""Schemas: loading, the parameter that an error names, and the files themselves."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from ovapi.errors import InvalidRequest, UnsupportedParameter
from ovapi.validation.schemas import FOLDER, Schemas
from ovapi.validation.violation import dotted

SCHEMAS = Schemas()
COMMON = {
    "$defs": {"level": {"type": ["number", "null"], "minimum": 0, "maximum": 2, "default": 1}}
}
THING = {
    "type": "object",
    "required": ["name"],
    "additionalProperties": False,
    "properties": {
        "name": {"type": "string", "minLength": 1},
        "level": {"$ref": "../common.json#/$defs/level"},
        "exact": {"$ref": "../common.json#/$defs/level", "type": "number"},
        "count": {"type": "integer"},
        "tags": {"type": "array", "maxItems": 2, "items": {"type": "string"}},
        "inner": {"$ref": "#/$defs/inner"},
        "refused": {"type": "null", "x-support": "refused", "x-hint": "Use 'level'"},
        "limited": {"enum": ["a"], "x-support": "limited"},
        "map": {"type": "object", "propertyNames": {"maxLength": 3}},
    },
    "$defs": {
        "inner": {
            "type": "object",
            "required": ["x"],
            "additionalProperties": False,
            "properties": {"x": {}},
        }
    },
}


@pytest.fixture
def schemas(tmp_path: Path) -> Schemas:
    (tmp_path / "folder").mkdir()
    (tmp_path / "common.json").write_text(json.dumps(COMMON))
    (tmp_path / "folder" / "thing.json").write_text(json.dumps(THING))
    return Schemas(tmp_path)


def test_schemas_are_named_by_their_path(schemas: Schemas) -> None:
    assert list(schemas) == ["common", "folder/thing"]


def test_references_are_resolved_and_what_stands_beside_them_wins(schemas: Schemas) -> None:
    properties = schemas["folder/thing"]["properties"]
    assert properties["level"] == COMMON["$defs"]["level"]
    assert properties["exact"] == {**COMMON["$defs"]["level"], "type": "number"}


@pytest.mark.parametrize(
    "instance",
    [
        {"name": "a"},
        {"name": "a", "level": None, "exact": 2, "count": 5, "tags": ["x"]},
        {"name": "a", "refused": None, "limited": "a", "map": {"abc": 1}},
    ],
)
def test_what_is_right_passes(schemas: Schemas, instance: dict[str, Any]) -> None:
    schemas.validate("folder/thing", instance)


@pytest.mark.parametrize(
    ("given", "param", "code", "message"),
    [
        ({"name": 5}, "name", "invalid_type", "'name' must be a string, not a number."),
        ({"name": ""}, "name", "invalid_value", "'name' must have at least 1 character."),
        ({"level": -1}, "level", "invalid_value", "'level' must be at least 0."),
        ({"level": 3}, "level", "invalid_value", "'level' must be at most 2."),
        ({"level": "1"}, "level", "invalid_type", "'level' must be a number, not a string."),
        ({"level": True}, "level", "invalid_type", "'level' must be a number, not a boolean."),
        ({"level": float("nan")}, "level", "invalid_type", "'level' must be a number, not NaN."),
        ({"exact": None}, "exact", "invalid_type", "'exact' must be a number, not null."),
        ({"count": 1.0}, "count", "invalid_type", "'count' must be an integer, not a number."),
        ({"count": False}, "count", "invalid_type", "'count' must be an integer, not a boolean."),
        ({"tags": ["a", 1]}, "tags[1]", "invalid_type", "'tags[1]' must be a string, not "),
        ({"tags": [1, 2, 3]}, "tags", "invalid_value", "'tags' must have at most 2 items."),
        ({"tags": {}}, "tags", "invalid_type", "'tags' must be an array, not an object."),
        ({"inner": {}}, "inner.x", "missing_required_parameter", "'inner.x' is required."),
        ({"foo": 1}, "foo", "unknown_parameter", "Unrecognized request argument supplied: foo"),
        ({"inner": {"x": 1, "y": 2}}, "inner.y", "unknown_parameter", "Unrecognized "),
        ({"limited": "b"}, "limited", "unsupported_value", "'limited' must be \"a\"."),
        ({"map": {"long name": 1}}, "map.long name", "invalid_value", "'map.long name' must have"),
        (
            {"refused": 1},
            "refused",
            "unsupported_parameter",
            "'refused' is not supported. Use 'level'.",
        ),
    ],
)
def test_an_error_names_the_parameter(
    schemas: Schemas, given: dict[str, Any], param: str, code: str, message: str
) -> None:
    with pytest.raises(InvalidRequest) as caught:
        schemas.validate("folder/thing", {"name": "a", **given})
    assert (caught.value.param, caught.value.code) == (param, code)
    assert caught.value.message.startswith(message)
    assert isinstance(caught.value, UnsupportedParameter) == (code == "unsupported_parameter")


def test_the_root_has_no_name(schemas: Schemas) -> None:
    with pytest.raises(InvalidRequest) as caught:
        schemas.validate("folder/thing", [])
    assert caught.value.param is None
    assert caught.value.message == "The body must be an object, not an array."


def test_messages_never_hold_what_was_sent(schemas: Schemas) -> None:
    for given in ({"level": "x" * 10**6}, {"x" * 10**6: 1}, {"limited": "x" * 10**6}):
        with pytest.raises(InvalidRequest) as caught:
            schemas.validate("folder/thing", {"name": "a", **given})
        assert len(caught.value.message) < 300


def test_all_errors_with_their_paths(schemas: Schemas) -> None:
    found = schemas.errors("folder/thing", {"tags": [1, 2], "foo": 1, "count": "x"})
    assert found == [
        (("name",), "is required"),
        (("foo",), "is unknown"),
        (("count",), "must be an integer, not a string"),
        (("tags", 0), "must be a string, not a number"),
        (("tags", 1), "must be a string, not a number"),
    ]


def test_dotted() -> None:
    assert dotted(("messages", 0, "content", 2, "text")) == "messages[0].content[2].text"
    assert dotted(()) == ""


# --- the files themselves ---


@pytest.mark.parametrize("name", list(SCHEMAS))
def test_a_file_is_a_valid_schema(name: str) -> None:
    Draft202012Validator.check_schema(SCHEMAS[name])
    assert SCHEMAS[name]["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert SCHEMAS[name]["$id"] == f"https://ovapi.invalid/schemas/{name}.json"
    assert (FOLDER / f"{name}.json").is_file()


def _inside(schema: dict[str, Any], path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """`schema` and the schemas in it, with the path to each."""
    yield path, schema
    for keyword in ("properties", "$defs"):
        for name, inner in schema.get(keyword, {}).items():
            yield from _inside(inner, f"{path}/{keyword}/{name}")
    for keyword in ("items", "additionalProperties", "propertyNames"):
        if isinstance(schema.get(keyword), dict):
            yield from _inside(schema[keyword], f"{path}/{keyword}")


@pytest.mark.parametrize("name", list(SCHEMAS))
def test_every_property_is_described(name: str) -> None:
    for path, schema in _inside(SCHEMAS[name]):
        for key, inner in schema.get("properties", {}).items():
            assert "description" in inner, f"{path}/{key}"


@pytest.mark.parametrize("name", list(SCHEMAS))
def test_no_keyword_blurs_where_an_error_is(name: str) -> None:
    for path, schema in _inside(SCHEMAS[name]):
        assert not schema.keys() & {"anyOf", "oneOf", "allOf", "if", "$ref"}, path


@pytest.mark.parametrize("name", list(SCHEMAS))
def test_defaults_fit_their_schemas(name: str) -> None:
    for path, schema in _inside(SCHEMAS[name]):
        if "default" in schema and "type" in schema:
            assert Draft202012Validator(schema).is_valid(schema["default"]), path


@pytest.mark.parametrize("name", ["openai/chat_request", "config"])
def test_objects_that_users_write_are_closed(name: str) -> None:
    open_ones = {"/properties/response_format"}
    for path, schema in _inside(SCHEMAS[name]):
        if "properties" in schema and "type" in schema and path not in open_ones:
            assert schema["additionalProperties"] is False, path
