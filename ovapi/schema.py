"""The JSON Schemas of `schemas/`: the one contract that bodies, configuration and docs share.

Schemas are draft 2020-12, without `anyOf` and `if`, so that every error points at one place. The
order of keywords is the order in which a body is checked, so limits stand before what they limit.
References are relative and resolved when the files are loaded: nothing is ever fetched.
Annotations of ours:

    x-support: "refused"   the parameter is known and cannot be honoured: any other value than the
                           one that the schema still allows is a 400 `unsupported_parameter`
    x-support: "limited"   values outside of the schema are a 400 `unsupported_value`
    x-effect: "none"       accepted, and changes nothing
    x-hint: text           what to do instead; ends the error message
"""

from __future__ import annotations

import json
import math
import posixpath
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from jsonschema import Draft202012Validator, TypeChecker
from jsonschema.exceptions import ValidationError
from jsonschema.validators import extend
from referencing import Registry

from ovapi.errors import InvalidRequest, UnsupportedParameter

FOLDER = Path(__file__).parent / "schemas"
LONGEST_NAME = 80

Path_ = tuple[str | int, ...]
Schema = Mapping[str, Any]


def _is_integer(_: TypeChecker, value: object) -> bool:
    """Stricter than the standard, which takes 1.0 for an integer."""
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(checker: TypeChecker, value: object) -> bool:
    """YAML knows NaN and infinities, which would slip through every range."""
    return _is_integer(checker, value) or (isinstance(value, float) and math.isfinite(value))


Validator = extend(  # type: ignore[no-untyped-call]
    Draft202012Validator,
    type_checker=Draft202012Validator.TYPE_CHECKER.redefine_many(
        {"integer": _is_integer, "number": _is_number}
    ),
)


@dataclass(frozen=True, slots=True)
class Violation:
    """One thing wrong at `path`. `message` continues a sentence that begins with the path."""

    path: Path_
    code: str
    message: str


class Schemas:
    """All schemas of a folder, by their path in it without the suffix: ``openai/chat_request``."""

    def __init__(self, folder: Path = FOLDER) -> None:
        files = {file.relative_to(folder).as_posix(): file for file in folder.rglob("*.json")}
        raw = {name: json.loads(file.read_bytes()) for name, file in sorted(files.items())}
        self._documents: dict[str, Schema] = {
            name.removesuffix(".json"): _inline(raw, name, schema) for name, schema in raw.items()
        }
        self._validators = {
            name: Validator(schema, registry=Registry()) for name, schema in self._documents.items()
        }

    def __iter__(self) -> Iterator[str]:
        return iter(self._documents)

    def __getitem__(self, name: str) -> Schema:
        """The schema with every `$ref` replaced by what it stands for."""
        return self._documents[name]

    def validate(self, name: str, instance: object) -> None:
        """Raise InvalidRequest for the first violation, with the exact parameter."""
        for violation in self._violations(name, instance):
            raise _error(violation)

    def errors(self, name: str, instance: object) -> list[tuple[Path_, str]]:
        """Every violation, as the path to it and what is wrong there."""
        return [(one.path, one.message) for one in self._violations(name, instance)]

    def _violations(self, name: str, instance: object) -> Iterator[Violation]:
        for error in self._validators[name].iter_errors(instance):
            yield from _flatten(error, _path(error))


def _inline(raw: Mapping[str, Any], file: str, value: Any) -> Any:
    """`value`, from `file`, without `$ref`s; keywords beside a `$ref` win over its target's.

    Looking references up costs more than all the rest of a validation, so it is done once.
    """
    if isinstance(value, list):
        return [_inline(raw, file, item) for item in value]
    if not isinstance(value, dict):
        return value
    plain = {key: _inline(raw, file, item) for key, item in value.items() if key != "$ref"}
    if "$ref" not in value:
        return plain
    other, _, pointer = value["$ref"].partition("#")
    target = posixpath.normpath(posixpath.join(posixpath.dirname(file), other)) if other else file
    found = raw[target]
    for key in filter(None, pointer.split("/")):
        found = found[key]
    return {**_inline(raw, target, found), **plain}


def dotted(path: Path_) -> str:
    """``messages[0].content`` for ("messages", 0, "content")."""
    text = "".join(f"[{key}]" if isinstance(key, int) else f".{_short(key)}" for key in path)
    return text.removeprefix(".")


def _short(name: str) -> str:
    return name if len(name) <= LONGEST_NAME else f"{name[:LONGEST_NAME]}…"


def _error(violation: Violation) -> InvalidRequest:
    param = dotted(violation.path)
    kind = UnsupportedParameter if violation.code == "unsupported_parameter" else InvalidRequest
    if violation.code == "unknown_parameter":
        message = f"Unrecognized request argument supplied: {param}"
    else:
        message = f"'{param}' {violation.message}." if param else f"The body {violation.message}."
    return kind(message, param=param or None, code=violation.code)


def _path(error: ValidationError) -> Path_:
    path = tuple(error.absolute_path)
    return (*path, str(error.instance)) if "propertyNames" in error.absolute_schema_path else path


def _schema(error: ValidationError) -> Schema:
    """The schema that holds the violated keyword; ours are objects, never plain booleans."""
    return cast(Schema, error.schema)


def _flatten(error: ValidationError, path: Path_) -> Iterator[Violation]:
    """The violations that one error of jsonschema stands for."""
    keyword, instance = str(error.validator), cast(Any, error.instance)
    if keyword == "additionalProperties":
        known = _schema(error).get("properties", {})
        for key in instance:
            if key not in known:
                yield Violation((*path, str(key)), "unknown_parameter", "is not known here")
    elif keyword == "required":
        for key in cast(Any, error.validator_value):
            if key not in instance:
                yield Violation((*path, key), "missing_required_parameter", "is required")
    else:
        yield _violation(keyword, error, path)


def _violation(keyword: str, error: ValidationError, path: Path_) -> Violation:
    schema = _schema(error)
    hint = f". {schema['x-hint']}".removesuffix(".") if "x-hint" in schema else ""
    support = schema.get("x-support")
    if support == "refused":
        return Violation(path, "unsupported_parameter", f"is not supported{hint}")
    message = _message(keyword, error) + hint
    if support == "limited":
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
            return "is a name that cannot be used"
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
    "uniqueItems": "must not have the same item twice",
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
        case int() | float():
            return "a number"
        case list():
            return "an array"
        case dict():
            return "an object"
    return f"a {type(value).__name__}"
