"""The fuzzer reaches every parameter, and takes for a fault what is one."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from soak.client.endpoints import ENDPOINTS, Endpoint
from soak.client.mutations import Mutation, mutations
from soak.context import SCHEMAS
from soak.fuzz import all_work, refusal_problems

NUMBER = {"type": "number", "exclusiveMinimum": 0, "maximum": 10}
TEXTS = {"type": ["array", "string"], "maxItems": 2, "items": {"type": "string", "maxLength": 3}}
SCHEMA = {"properties": {"number": NUMBER, "inner": {"properties": {"texts": TEXTS}}}}


def values(*path: str | int) -> list[Any]:
    """All that stand at `path` in the mutations of an empty body."""
    return [at(one.body, path) for one in mutations(SCHEMA, {}) if one.path == path]


def at(value: Any, path: tuple[str | int, ...]) -> Any:
    for key in path:
        value = value[key]
    return value


def test_numbers_stand_at_their_bounds_and_beside_them() -> None:
    found = values("number")
    assert {0, 10, 1e-9, -1e-9, 10 + 1e-9, 1e-300} <= {one for one in found if is_number(one)}
    assert [one for one in found if one in (None, "text", [], {})] == ["text", None, [], {}]


def is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def test_what_is_inside_is_reached_too() -> None:
    lengths = {len(one) for one in values("inner", "texts") if isinstance(one, list)}
    assert {0, 2, 3} <= lengths
    texts = values("inner", "texts", 0)
    assert {"a" * 3, "a" * 4, "a\x00b", "a\ud800b"} <= {
        one for one in texts if isinstance(one, str)
    }


def parameters(schema: dict[str, Any], path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    for name, inner in schema.get("properties", {}).items():
        yield (*path, name)
        yield from parameters(inner, (*path, name))
    if "items" in schema and schema.get("maxItems") != 0:
        yield from parameters(schema["items"], path)


@pytest.mark.parametrize("schema", sorted({one.schema for one in ENDPOINTS}))
def test_every_parameter_of_every_request_is_changed(schema: str) -> None:
    found = {
        tuple(key for key in mutation.path if isinstance(key, str))
        for endpoint, mutation in all_work()
        if endpoint.schema == schema
    }
    assert set(parameters(SCHEMAS[schema])) <= found


def test_every_request_has_its_endpoint() -> None:
    schemas = {name for name in SCHEMAS if name.endswith("_request")}
    assert schemas == {one.schema for one in ENDPOINTS}


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=lambda one: f"{one.path} {len(one.body)}")
def test_the_bodies_to_begin_with_are_valid(endpoint: Endpoint) -> None:
    SCHEMAS.validate(endpoint.schema, endpoint.body)


CHAT = ENDPOINTS[0]
REFUSED = {"message": "no", "type": "invalid_request_error", "param": "n", "code": "invalid_value"}


def problems(status: int, body: object, path: str = "n", **headers: str) -> list[str]:
    response = httpx.Response(status, headers=headers, content=json.dumps(body).encode())
    return list(refusal_problems(CHAT, Mutation((path,), "", {"messages": []}), response))


def test_a_refusal_that_names_its_parameter_is_none() -> None:
    assert problems(400, {"error": REFUSED}) == []
    busy = {**REFUSED, "type": "overloaded_error", "param": None}
    assert problems(503, {"error": busy}, **{"Retry-After": "1"}) == []
    assert problems(504, {"error": busy}, path="timeout") == []


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (500, REFUSED),
        (503, REFUSED),
        (504, REFUSED),
        (400, {**REFUSED, "param": None}),
        (400, {**REFUSED, "param": "nothing of the request"}),
        (400, {**REFUSED, "message": "see /tmp/x"}),
        (400, {"message": "no"}),
        (400, "no"),
    ],
)
def test_what_is_a_fault(status: int, error: object) -> None:
    assert problems(status, {"error": error})
