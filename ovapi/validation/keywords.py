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

CHECKED = {
    "type", "enum", "const", "minimum", "maximum", "minLength", "maxLength", "minItems", "maxItems",
    "items", "properties", "required", "additionalProperties", "minProperties", "maxProperties",
}  # fmt: skip
ANNOTATIONS = {"description", "default", "x-support", "x-hint", "x-effect"}
"""A schema with other keywords may have other objections than a quick test looks for."""


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
    if not (CHECKED | ANNOTATIONS).issuperset(schema):
        return _never
    tests = _tests_by_type(schema)
    if "enum" not in schema and "const" not in schema:
        return lambda value: type(value) in tests and tests[type(value)](value)
    choices = schema.get("enum", [schema.get("const")])
    allowed = {(type(one), one) for one in choices if isinstance(one, (str, bool, type(None)))}
    kinds = {kind for kind, _ in allowed if kind in tests}
    return lambda value: type(value) in kinds and (type(value), value) in allowed


def _tests_by_type(schema: Schema) -> dict[type, Test]:
    """For each type of Python that the schema allows, a test of the rest."""
    given = schema.get("type", list(_TYPES))
    found: dict[type, Test] = {}
    for name in (given,) if isinstance(given, str) else given:
        for kind, make in _TYPES[name]:
            found[kind] = make(schema)
    return found


def _number(schema: Schema) -> Test:
    low, high = schema.get("minimum", -inf), schema.get("maximum", inf)
    return lambda value: bool(low <= value <= high) and value - value == 0


def _text(schema: Schema) -> Test:
    low, high = schema.get("minLength", 0), schema.get("maxLength", inf)
    return lambda value: bool(low <= len(value) <= high)


def _array(schema: Schema) -> Test:
    low, high = schema.get("minItems", 0), schema.get("maxItems", inf)
    fits = quick_test(schema["items"]) if "items" in schema else _anything
    return lambda value: low <= len(value) <= high and all(map(fits, value))


def _object(schema: Schema) -> Test:
    """Of further properties only whether there may be any is quick to tell."""
    low, high = schema.get("minProperties", 0), schema.get("maxProperties", inf)
    tests = {name: quick_test(inner) for name, inner in schema.get("properties", {}).items()}
    required, further = schema.get("required", ()), schema.get("additionalProperties", True)
    other = _anything if further is True else _never

    def fits(value: Any) -> bool:
        if not low <= len(value) <= high or any(name not in value for name in required):
            return False
        return all(tests.get(name, other)(inner) for name, inner in value.items())

    return fits


def _anything(_: object) -> bool:
    return True


def _never(_: object) -> bool:
    return False


def _of_any_value(_: Schema) -> Test:
    return _anything


_TYPES: dict[str, tuple[tuple[type, Callable[[Schema], Test]], ...]] = {
    "string": ((str, _text),),
    "integer": ((int, _number),),
    "number": ((int, _number), (float, _number)),
    "array": ((list, _array),),
    "object": ((dict, _object),),
    "boolean": ((bool, _of_any_value),),
    "null": ((type(None), _of_any_value),),
}


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
