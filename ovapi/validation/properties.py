"""Property: one property of a schema, as the documentation shows it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from ovapi.validation.violation import Schema

UNLIMITED = 2**31 - 1
"""A maximum from here on says nothing to a reader."""


@dataclass(frozen=True)
class Property:
    """`name` is dotted: ``a.b``, ``a[].b`` in an array of objects, ``a.*.b`` below any key."""

    name: str
    schema: Schema
    required: bool

    @property
    def type(self) -> str:
        """The type and its range, in words."""
        schema = self.schema
        if "enum" in schema:
            return _values(schema["enum"])
        if "const" in schema:
            return _code(schema["const"])
        wanted = schema.get("type", [])
        names = [wanted] if isinstance(wanted, str) else wanted
        text = " or ".join(name for name in names if name != "null" or len(names) == 1)
        return ", ".join(filter(None, [text, _range(schema), _size(schema)]))

    @property
    def default(self) -> str:
        return _code(self.schema["default"]) if "default" in self.schema else ""

    @property
    def description(self) -> str:
        text: str = self.schema.get("description", "")
        return text.replace("|", "\\|")


def properties(schema: Schema, prefix: str = "") -> Iterator[Property]:
    """The properties of `schema` and, after each, those of the objects in it."""
    required = schema.get("required", ())
    for name, inner in schema.get("properties", {}).items():
        path = prefix + name
        yield Property(path, inner, name in required)
        yield from properties(inner.get("items", {}), f"{path}[].")
        yield from properties(inner, f"{path}.")
        others = inner.get("additionalProperties")
        if isinstance(others, dict):
            yield from properties(others, f"{path}.*.")


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table in Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _code(value: object) -> str:
    return f"`{json.dumps(value)}`"


def _values(values: Sequence[object]) -> str:
    shown = ", ".join(_code(value) for value in values if value is not None)
    return f"{shown} or null" if None in values and len(values) == 1 else shown


def _range(schema: Schema) -> str:
    low = schema.get("minimum")
    least = f"{low}" if low is not None else ""
    if "exclusiveMinimum" in schema:
        least = f"above {schema['exclusiveMinimum']}"
    most = schema.get("maximum")
    huge = most is None or most >= UNLIMITED
    if least and huge:
        return f"{least} or more" if low is not None else least
    return f"{least} to {most}" if least and most != low else least


def _size(schema: Schema) -> str:
    limits = {"maxItems": "items", "maxLength": "characters", "maxProperties": "keys"}
    sizes = [f"up to {schema[key]} {unit}" for key, unit in limits.items() if key in schema]
    return sizes[0] if sizes else ""
