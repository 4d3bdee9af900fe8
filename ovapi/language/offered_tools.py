"""OfferedTools: the functions of a request, and the types that their parameters may have."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

Kinds = frozenset[str]
"""JSON Schema's names of types; empty means that any will do."""

ANY: Kinds = frozenset()

_MAX_DEPTH = 8  # of schemas that refer to schemas
_NO_PARAMETERS: Mapping[str, Any] = {"type": "object", "properties": {}}


def tool_definition(function: Mapping[str, Any]) -> Mapping[str, Any]:
    """A function as chat templates expect it, always with parameters.

    Without what is null, and without `strict`, which says nothing to a model.
    """
    given = {key: value for key, value in function.items() if value is not None and key != "strict"}
    return {"type": "function", "function": {"parameters": _NO_PARAMETERS, **given}}


class OfferedTools:
    """Functions by name. With `any_function` a call of one that is not among them counts too."""

    def __init__(self, functions: Mapping[str, Any], any_function: bool = False) -> None:
        self._schemas = functions
        self._any_function = any_function
        self._kinds: dict[tuple[str, str], Kinds] = {}

    @classmethod
    def of(cls, tools: Iterable[Mapping[str, Any]], any_function: bool = False) -> OfferedTools:
        """From function definitions in OpenAI's form, validated before."""
        functions = (tool.get("function", tool) for tool in tools)
        return cls({each["name"]: each.get("parameters") for each in functions}, any_function)

    def __contains__(self, name: str) -> bool:
        return self._any_function or name in self._schemas

    def __bool__(self) -> bool:
        return self._any_function or bool(self._schemas)

    def kinds(self, function: str, parameter: str) -> Kinds:
        """What the schema says that the parameter may be."""
        key = (function, parameter)
        if key not in self._kinds:
            schema = self._schemas.get(function)
            self._kinds[key] = _Reader(schema).kinds(_parameter(schema, parameter))
        return self._kinds[key]


def _parameter(schema: Any, name: str) -> Any:
    if not isinstance(schema, Mapping):
        return None
    properties = schema.get("properties")
    if isinstance(properties, Mapping) and name in properties:
        return properties[name]
    return schema.get("additionalProperties")


class _Reader:
    """Reads types out of one function's schema; what is referred to is read once."""

    def __init__(self, root: Any) -> None:
        self._root = root
        self._referred: dict[str, Kinds] = {}

    def kinds(self, schema: Any, depth: int = _MAX_DEPTH) -> Kinds:
        if not isinstance(schema, Mapping) or depth == 0:
            return ANY
        if isinstance(reference := schema.get("$ref"), str):
            return self._refer(reference, depth - 1)
        for keyword in ("anyOf", "oneOf"):
            if isinstance(branches := schema.get(keyword), list) and branches:
                return _union([self.kinds(branch, depth - 1) for branch in branches])
        return _named(schema) or self._in_common(schema.get("allOf"), depth - 1)

    def _refer(self, reference: str, depth: int) -> Kinds:
        if reference not in self._referred:
            self._referred[reference] = ANY  # while it is read: it may refer to itself
            self._referred[reference] = self.kinds(_resolved(reference, self._root), depth)
        return self._referred[reference]

    def _in_common(self, branches: Any, depth: int) -> Kinds:
        if not isinstance(branches, list):
            return ANY
        found = [kinds for branch in branches if (kinds := self.kinds(branch, depth))]
        return found[0].intersection(*found) if found else ANY


def _named(schema: Mapping[str, Any]) -> Kinds:
    """By `type`, or by the values that are allowed."""
    kinds = schema.get("type")
    if isinstance(kinds, str):
        return frozenset([kinds])
    if isinstance(kinds, list):
        return frozenset(kind for kind in kinds if isinstance(kind, str))
    if "const" in schema:
        return frozenset([kind_of(schema["const"])])
    if isinstance(values := schema.get("enum"), list):
        return frozenset(map(kind_of, values))
    return ANY


def _union(branches: list[Kinds]) -> Kinds:
    return frozenset[str]().union(*branches) if all(branches) else ANY


def _resolved(reference: str, root: Any) -> Any:
    """What a reference within the schema points at; None if nothing."""
    if not reference.startswith("#"):
        return None
    target = root
    for part in reference[1:].split("/")[1:]:
        name = part.replace("~1", "/").replace("~0", "~")
        target = target.get(name) if isinstance(target, Mapping) else None
    return target


def kind_of(value: Any) -> str:
    """JSON Schema's name for the type of a value."""
    if value is None:
        return "null"
    for kind, types in _PYTHON_TYPES:
        if isinstance(value, types):
            return kind
    return "object"


_PYTHON_TYPES: tuple[tuple[str, type | tuple[type, ...]], ...] = (
    ("boolean", bool),  # before its base class int
    ("integer", int),
    ("number", float),
    ("string", str),
    ("array", (list, tuple)),
)
