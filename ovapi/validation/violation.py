"""Violation: one thing that is wrong with an instance, in words that name its place."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, cast

from jsonschema.exceptions import ValidationError

from ovapi.errors import InvalidRequest, UnsupportedParameter

MAX_NAME_CHARACTERS = 80

KeyPath = tuple[str | int, ...]
Schema = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Violation:
    """One thing wrong at `path`. `message` continues a sentence that begins with the path."""

    path: KeyPath
    code: str
    message: str

    def error(self) -> InvalidRequest:
        """As what a client is told."""
        param = dotted(self.path)
        kind = UnsupportedParameter if self.code == "unsupported_parameter" else InvalidRequest
        if self.code == "unknown_parameter":
            message = f"Unrecognized request argument supplied: {param}"
        else:
            message = f"'{param}' {self.message}." if param else f"The body {self.message}."
        return kind(message, param=param or None, code=self.code)


def dotted(path: KeyPath) -> str:
    """``messages[0].content`` for ("messages", 0, "content")."""
    text = "".join(f"[{key}]" if isinstance(key, int) else f".{_short(key)}" for key in path)
    return text.removeprefix(".")


def _short(name: str) -> str:
    return name if len(name) <= MAX_NAME_CHARACTERS else f"{name[:MAX_NAME_CHARACTERS]}…"


def _path(error: ValidationError) -> KeyPath:
    path = tuple(error.absolute_path)
    return (*path, str(error.instance)) if "propertyNames" in error.absolute_schema_path else path


def _schema(error: ValidationError) -> Schema:
    """The schema that holds the violated keyword; ours are objects, never plain booleans."""
    return cast(Schema, error.schema)


def flatten(error: ValidationError) -> Iterator[Violation]:
    """The violations that one error of jsonschema stands for."""
    path = _path(error)
    keyword, instance = str(error.validator), cast(Any, error.instance)
    if keyword == "additionalProperties":
        known = _schema(error).get("properties", {})
        for key in instance:
            if key not in known:
                yield Violation((*path, str(key)), "unknown_parameter", "is unknown")
    elif keyword == "required":
        for key in cast(Any, error.validator_value):
            if key not in instance:
                yield Violation((*path, key), "missing_required_parameter", "is required")
    else:
        yield _violation(keyword, error, path)


def _violation(keyword: str, error: ValidationError, path: KeyPath) -> Violation:
    schema = _schema(error)
    hint = f". {schema['x-hint']}".removesuffix(".") if "x-hint" in schema else ""
    support = schema.get("x-support")
    if support == "refused":
        return Violation(path, "unsupported_parameter", f"is not supported{hint}")
    message = _message(keyword, error) + hint
    if support == "limited":
        if keyword == "enum" and hint:
            message = f"has an unsupported value{hint}"
        return Violation(path, "unsupported_value", message)
    return Violation(path, "invalid_type" if keyword == "type" else "invalid_value", message)


def _message(keyword: str, error: ValidationError) -> str:
    """What is wrong, without the value, which may be large or secret."""
    wanted = cast(Any, error.validator_value)
    match keyword:
        case "type":
            names = " or ".join(_types(wanted))
            return f"must be {names}, not {_type_of(error.instance)}"
        case "enum":
            values = [json.dumps(value) for value in wanted if value is not None]
            return f"must be {'one of ' * (len(values) > 1)}{', '.join(values)}"
        case "const":
            return f"must be {json.dumps(wanted)}"
        case "pattern":
            return f"must match the pattern {wanted}"
        case "not":
            return "is a reserved name"
    form = _FORMS.get(keyword, "is not valid")
    return form.format(wanted, "" if wanted == 1 else "s")


_FORMS = {
    "minimum": "must be at least {0}",
    "maximum": "must be at most {0}",
    "exclusiveMinimum": "must be greater than {0}",
    "exclusiveMaximum": "must be less than {0}",
    "minLength": "must have at least {0} character{1}",
    "maxLength": "must have at most {0} character{1}",
    "minItems": "must have at least {0} item{1}",
    "maxItems": "must have at most {0} item{1}",
    "minProperties": "must have at least {0} key{1}",
    "maxProperties": "must have at most {0} key{1}",
    "uniqueItems": "must not contain duplicates",
}

_NAMES = {
    "string": "a string",
    "number": "a number",
    "integer": "an integer",
    "boolean": "a boolean",
    "array": "an array",
    "object": "an object",
    "null": "null",
}


def _types(wanted: str | list[str]) -> list[str]:
    """The names of the types asked for, null aside where it is one of several."""
    names = [wanted] if isinstance(wanted, str) else wanted
    return [_NAMES[name] for name in names if name != "null" or len(names) == 1]


def _type_of(value: object) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "a boolean"
        case str():
            return "a string"
        case float() if not math.isfinite(value):
            return "NaN" if math.isnan(value) else "infinity"
        case int() | float():
            return "a number"
        case list():
            return "an array"
        case dict():
            return "an object"
    return f"a {type(value).__name__}"
