"""Mutations: a valid body with one value that stands at, beside or beyond what its schema allows.

Every property is visited, also inside objects and lists. The values are drawn from the schema: its
bounds and one step beyond them, every other type, and hostile strings wherever a string may stand.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from soak.client.hostile import KEYS, LARGE_STRINGS, NUMBERS, STRINGS

Schema = dict[str, Any]
Path = tuple[str | int, ...]

OF_EACH_TYPE: dict[str, Any] = {
    "text": "text", "integer": 1, "fraction": 1.5, "true": True, "null": None, "list": [],
    "list of lists": [[]], "object": {}, "list of objects": [{}],
}  # fmt: skip
MOST_ITEMS = 20_000
"""Longer lists than this are not made: how large a body may be is another case's question."""


@dataclass(frozen=True)
class Mutation:
    """`path` leads to what was changed, `what` says to what."""

    path: Path
    what: str
    body: dict[str, Any]

    def __str__(self) -> str:
        return f"{'.'.join(map(str, self.path))}: {self.what}"


def mutations(schema: Schema, body: dict[str, Any]) -> Iterator[Mutation]:
    """All of a valid body; `schema` has no references."""
    for path, inner, whole in _places(schema, (), body):
        for what, value in _values(inner):
            yield Mutation(path, what, _replaced(whole, path, value))
    for key in KEYS:
        yield Mutation((key,), "no such parameter", {**body, key: 1})


def _places(schema: Schema, path: Path, body: Any) -> Iterator[tuple[Path, Schema, Any]]:
    """Paths to the properties of the value at `path`, their schemas, and a body that has them."""
    value = _at(body, path)
    if isinstance(value, dict):
        for name, inner in schema.get("properties", {}).items():
            yield from _visited(inner, (*path, name), body, value.get(name))
        if isinstance(inner := schema.get("additionalProperties"), dict):
            yield from _visited(inner, (*path, "name"), body, None)
    elif isinstance(value, list) and (inner := schema.get("items")):
        for index in _visited_items(value):
            yield from _visited(inner, (*path, index), body, value[index] if value else None)


def _visited_items(items: list[Any]) -> list[int]:
    """The one with the most in it, and the last: the others are of the same schema."""
    sizes = [len(item) if isinstance(item, (dict, list)) else 0 for item in items]
    return sorted({sizes.index(max(sizes)), len(items) - 1}) if items else [0]


def _visited(
    schema: Schema, path: Path, body: Any, value: Any
) -> Iterator[tuple[Path, Schema, Any]]:
    """The place itself, then what is inside of `value`, or inside of an example of it."""
    yield path, schema, body
    for example in [value] if isinstance(value, (dict, list)) else _containers(schema):
        yield from _places(schema, path, _replaced(body, path, example))


def _containers(schema: Schema) -> Iterator[Any]:
    """The least object and list that the schema allows, if it has something to say of insides."""
    if "properties" in schema or isinstance(schema.get("additionalProperties"), dict):
        inner = schema.get("properties", {})
        yield {name: _example(inner[name]) for name in schema.get("required", [])}
    if "items" in schema and schema.get("maxItems") != 0:
        yield [_example(schema["items"])]


def _example(schema: Schema) -> Any:
    if "enum" in schema:
        return schema["enum"][0]
    for container in _containers(schema):
        return container
    plain = {"string": "a", "integer": schema.get("minimum", 1), "boolean": True, "number": 1}
    return next((plain[one] for one in _types(schema) if one in plain), None)


def _types(schema: Schema) -> list[str]:
    types = schema.get("type", [])
    return [types] if isinstance(types, str) else types


def _values(schema: Schema) -> Iterator[tuple[str, Any]]:
    yield from OF_EACH_TYPE.items()
    yield from ((f"{one!r}", one) for one in schema.get("enum", ()))
    types = _types(schema)
    if {"integer", "number"} & set(types):
        yield from _numbers(schema)
    if "string" in types:
        yield from STRINGS.items()
        yield from () if "maxLength" in schema else LARGE_STRINGS.items()
        yield from _lengths(schema, "Length", lambda length: "a" * length)
    if "array" in types and "items" in schema:
        item = _example(schema["items"])
        yield from _lengths(schema, "Items", lambda length: [item] * length)
    if "object" in types:
        yield from ((f"key {name}", {key: 1}) for name, key in _named(KEYS))
        yield from _lengths(schema, "Properties", lambda most: {f"k{n}": "1" for n in range(most)})


def _named(keys: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    return ((repr(key[:40]), key) for key in keys)


def _numbers(schema: Schema) -> Iterator[tuple[str, Any]]:
    """The bounds, and the next numbers on both sides of them."""
    step = 1 if "number" not in _types(schema) else 1e-9
    for bound in ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"):
        if bound in schema:
            for by in (-step, 0, step):
                yield f"{bound} {by:+}", schema[bound] + by
    yield from ((repr(number), number) for number in NUMBERS)


def _lengths(schema: Schema, unit: str, made: Any) -> Iterator[tuple[str, Any]]:
    """As short and as long as may be, and one beyond."""
    for bound, by in (("min", -1), ("min", 0), ("max", 0), ("max", 1)):
        length = schema.get(f"{bound}{unit}", -1) + by
        if 0 <= length <= MOST_ITEMS:
            yield f"{bound}{unit} {by:+}", made(length)


def _at(body: Any, path: Path) -> Any:
    for key in path:
        body = body[key]
    return body


def _replaced(body: Any, path: Path, value: Any) -> Any:
    """A copy of `body` that has `value` at `path`."""
    if not path:
        return value
    first, *rest = path
    whole = copy.copy(body)
    if isinstance(whole, list):
        whole[len(whole) :] = [None] * (int(first) + 1 - len(whole))
        whole[int(first)] = _replaced(whole[int(first)], tuple(rest), value)
    else:
        whole[first] = _replaced(whole.get(first), tuple(rest), value)
    return whole
