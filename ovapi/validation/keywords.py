"""Keywords of JSON Schema as jsonschema has them, without its messages, which we do not use.

They quote the instance: of a body with a million values that takes half a second, in which no other
thread runs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sized
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
}
