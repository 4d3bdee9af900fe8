"""Keywords of JSON Schema as jsonschema has them, but fast for large bodies.

jsonschema's messages, which we do not use, quote the instance: of a body with a million values that
takes half a second, in which no other thread runs. Its `items` takes some 30 µs for an item,
whatever it is. Here an item that a simple schema allows is passed in a tenth of a microsecond; any
other goes the ordinary way, which finds the violation.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sized
from math import inf
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError

from ovapi.validation.violation import Schema

Keyword = Callable[[Any, Any, Any, Schema], Iterator[ValidationError]]
Fits = Callable[[Any, Any, Any], bool]
"""Whether an instance does; the arguments are the validator, the keyword's value, the instance."""

_additional: Keyword = Draft202012Validator.VALIDATORS["additionalProperties"]


def _keyword(fits: Fits) -> Keyword:
    def check(validator: Any, wanted: Any, instance: Any, _: Schema) -> Iterator[ValidationError]:
        if not fits(validator, wanted, instance):
            yield ValidationError("")

    return check


def _is_of(validator: Any, wanted: str | list[str], instance: Any) -> bool:
    types = (wanted,) if isinstance(wanted, str) else wanted
    return any(validator.is_type(instance, one) for one in types)


def _is_one_of(_: Any, wanted: list[Any], instance: Any) -> bool:
    """Ours are strings, booleans and null; 1 is not true."""
    return any(type(one) is type(instance) and one == instance for one in wanted)


def _at_least(kind: type[Sized]) -> Fits:
    return lambda _, wanted, instance: not isinstance(instance, kind) or len(instance) >= wanted


def _at_most(kind: type[Sized]) -> Fits:
    return lambda _, wanted, instance: not isinstance(instance, kind) or len(instance) <= wanted


def _additional_properties(
    validator: Any, wanted: Any, instance: Any, schema: Schema
) -> Iterator[ValidationError]:
    if wanted is not False:
        yield from _additional(validator, wanted, instance, schema)
    elif isinstance(instance, dict):
        known = schema.get("properties", {})
        if any(key not in known for key in instance):
            yield ValidationError("")


Test = Callable[[Any], bool]

SIMPLE = {
    "type", "description", "minimum", "maximum", "minLength", "maxLength", "minItems", "maxItems",
    "items",
}  # fmt: skip
"""A schema with other keywords may have other objections."""


def items(validator: Any, schema: Schema, instance: object, _: Schema) -> Iterator[ValidationError]:
    """What jsonschema calls for the keyword; `schema` is that of each item."""
    if not isinstance(instance, list):
        return
    fits = quick_test(schema)
    for index, item in enumerate(instance):
        if not fits(item):
            yield from validator.descend(item, schema, path=index)


def quick_test(schema: Schema) -> Test:
    """A quick test: true means that `schema` allows the value, false that it must be looked at."""
    given = schema.get("type", ())
    types = {given} if isinstance(given, str) else set(given)
    if not SIMPLE.issuperset(schema) or not types:
        return lambda _: False
    number, text, array = _number(schema), _text(schema), _array(schema)
    tests = {int: number, str: text, list: array}
    names = {int: types & {"integer", "number"}, str: types & {"string"}, list: types & {"array"}}
    allowed = {kind: tests[kind] for kind in tests if names[kind]}
    return lambda value: type(value) in allowed and allowed[type(value)](value)


def _number(schema: Schema) -> Test:
    low, high = schema.get("minimum", -inf), schema.get("maximum", inf)
    return lambda value: bool(low <= value <= high)


def _text(schema: Schema) -> Test:
    low, high = schema.get("minLength", 0), schema.get("maxLength", inf)
    return lambda value: bool(low <= len(value) <= high)


def _array(schema: Schema) -> Test:
    low, high = schema.get("minItems", 0), schema.get("maxItems", inf)
    fits = quick_test(schema["items"]) if "items" in schema else _anything
    return lambda value: low <= len(value) <= high and all(map(fits, value))


def _anything(_: object) -> bool:
    return True


KEYWORDS: dict[str, Keyword] = {
    "type": _keyword(_is_of),
    "enum": _keyword(_is_one_of),
    "minLength": _keyword(_at_least(str)),
    "maxLength": _keyword(_at_most(str)),
    "minItems": _keyword(_at_least(list)),
    "maxItems": _keyword(_at_most(list)),
    "minProperties": _keyword(_at_least(dict)),
    "maxProperties": _keyword(_at_most(dict)),
    "additionalProperties": _additional_properties,
    "items": items,
}
