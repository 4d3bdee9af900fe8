"""The JSON Schemas of `schemas/`: the one contract that bodies, configuration and docs share.

Schemas are draft 2020-12, without `anyOf` and `if`, so that every error points at one place. The
order of keywords is the order in which a body is checked, so limits stand before what they limit.
References are relative and resolved when the files are loaded: nothing is ever fetched.
Annotations of ours:

    x-support: "refused"   the parameter is known and cannot be honoured: any other value than the
                           one that the schema still allows is a 400 `unsupported_parameter`
    x-support: "limited"   values outside of the schema are a 400 `unsupported_value`
                           (either has an `x-hint`)
    x-effect: "none"       accepted, and changes nothing
    x-hint: text           what to do instead; ends the error message
"""

from __future__ import annotations

import json
import math
import posixpath
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator, TypeChecker
from jsonschema.validators import extend
from referencing import Registry

from ovapi.validation.keywords import KEYWORDS
from ovapi.validation.violation import KeyPath, Schema, Violation, flatten
from ovapi.validation.violation import dotted as dotted

FOLDER = Path(__file__).resolve().parents[1] / "schemas"


def _is_integer(_: TypeChecker, value: object) -> bool:
    """Stricter than the standard, which takes 1.0 for an integer."""
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(checker: TypeChecker, value: object) -> bool:
    """YAML knows NaN and infinities, which would slip through every range."""
    return _is_integer(checker, value) or (isinstance(value, float) and math.isfinite(value))


Validator = extend(  # type: ignore[no-untyped-call]
    Draft202012Validator,
    validators=KEYWORDS,
    type_checker=Draft202012Validator.TYPE_CHECKER.redefine_many(
        {"integer": _is_integer, "number": _is_number}
    ),
)


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
            raise violation.error()

    def errors(self, name: str, instance: object) -> list[tuple[KeyPath, str]]:
        """Every violation, as the path to it and what is wrong there."""
        return [(one.path, one.message) for one in self._violations(name, instance)]

    def _violations(self, name: str, instance: object) -> Iterator[Violation]:
        for error in self._validators[name].iter_errors(instance):
            yield from flatten(error)


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
