"""api_documentation.md, generated from the schemas and the error tree.

``python -m ovapi.api.docs`` prints it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from ovapi.api.docs.prose import BOLD, CODES, ERRORS, INTRODUCTION
from ovapi.errors import ApiError
from ovapi.http.dialect import Dialect, Endpoint
from ovapi.serving.metrics import Metrics
from ovapi.validation.schemas import Schemas
from ovapi.validation.violation import Schema


def generate(dialects: Iterable[Dialect], schemas: Schemas) -> str:
    sections = [INTRODUCTION]
    for dialect in dialects:
        sections += [_endpoint(endpoint, schemas) for endpoint in dialect.documented]
    sections += [ERRORS, _errors(), CODES]
    return "\n".join(sections)


def _endpoint(endpoint: Endpoint, schemas: Schemas) -> str:
    parts = [f"## {endpoint.verb} {endpoint.path}\n", f"{endpoint.text}\n"]
    parts.append(f"```sh\n{endpoint.curl()}\n```\n")
    if endpoint.request is not None:
        parts += ["### Request\n", BOLD, _parameters(schemas[endpoint.request])]
        parts += _refused(schemas[endpoint.request])
    if endpoint.response:
        parts += ["### Response\n", _fields(schemas[endpoint.response])]
    if endpoint.path == "/metrics":
        parts.append(_metrics())
    if endpoint.chunk is not None:
        parts += [endpoint.notes, "A chunk:\n", _fields(schemas[endpoint.chunk])]
    return "\n".join(parts)


def _parameters(schema: Schema) -> str:
    """The parameters that can be sent; those of objects inside have dotted names."""
    rows = [_row(one) for one in _walk(schema) if one.schema.get("x-support") != "refused"]
    return _table(["Parameter", "Type", "Default", "Meaning"], rows)


def _fields(schema: Schema) -> str:
    rows = [_row(one) for one in _walk(schema)]
    return _table(["Field", "Type", "Meaning"], [[row[0], row[1], row[3]] for row in rows])


def _refused(schema: Schema) -> Iterator[str]:
    """The parameters that are known and cannot be honoured."""
    found = [one for one in _walk(schema) if one.schema.get("x-support") == "refused"]
    rows = [[f"`{one.name}`", one.schema["description"], _hint(one.schema)] for one in found]
    if rows:
        yield "Known, and refused with a 400 `unsupported_parameter`:\n"
        yield _table(["Parameter", "Meaning", "Instead"], rows)


def _hint(schema: Schema) -> str:
    hint = schema.get("x-hint", "")
    return f"{hint}." if hint else ""


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


@dataclass(frozen=True)
class Property:
    name: str
    schema: Schema
    required: bool


def _walk(schema: Schema, prefix: str = "") -> Iterator[Property]:
    """The properties of `schema` and, after each, those of the objects in it."""
    required = schema.get("required", ())
    for name, inner in schema.get("properties", {}).items():
        path = prefix + name
        yield Property(path, inner, name in required)
        yield from _walk(inner.get("items", {}), f"{path}[].")
        yield from _walk(inner, f"{path}.")
        others = inner.get("additionalProperties")
        if isinstance(others, dict):
            yield from _walk(others, f"{path}.*.")


def _row(one: Property) -> list[str]:
    schema = one.schema
    default = f"`{json.dumps(schema['default'])}`" if "default" in schema else ""
    name = f"**`{one.name}`**" if one.required else f"`{one.name}`"
    effect = "*No effect.* " if schema.get("x-effect") == "none" else ""
    meaning = effect + schema.get("description", "")
    return [name, _type(schema), default, meaning.replace("|", "\\|")]


def _type(schema: Schema) -> str:
    """The type and its range, in words."""
    wanted = schema.get("type", [])
    names = [wanted] if isinstance(wanted, str) else wanted
    if "enum" in schema:
        shown = ", ".join(f"`{json.dumps(value)}`" for value in schema["enum"] if value is not None)
        return f"{shown} or null" if None in schema["enum"] and len(schema["enum"]) == 1 else shown
    if "const" in schema:
        return f"`{json.dumps(schema['const'])}`"
    text = " or ".join(name for name in names if name != "null" or len(names) == 1)
    return ", ".join(filter(None, [text, _range(schema), _size(schema)]))


def _range(schema: Schema) -> str:
    low = schema.get("minimum")
    least = f"{low}" if low is not None else ""
    if "exclusiveMinimum" in schema:
        least = f"above {schema['exclusiveMinimum']}"
    most = schema.get("maximum")
    huge = most is None or most >= 2**31 - 1
    if least and huge:
        return f"{least} or more" if low is not None else least
    return f"{least} to {most}" if least and most != low else least


def _size(schema: Schema) -> str:
    limits = {"maxItems": "items", "maxLength": "characters", "maxProperties": "keys"}
    sizes = [f"up to {schema[key]} {unit}" for key, unit in limits.items() if key in schema]
    return sizes[0] if sizes else ""


def _metrics() -> str:
    rows = [[f"`{one.name}`", one.kind, one.text] for one in Metrics().catalogue()]
    return _table(["Metric", "Kind", "Meaning"], rows)


def _errors() -> str:
    rows = []
    for error in sorted(_tree(ApiError), key=lambda kind: kind.status):
        retry = "yes" if error.retry_after is not None else ""
        code = f"`{error.code}`" if error.code else ""
        rows.append([str(error.status), f"`{error.type}`", code, retry])
    return _table(["Status", "Type", "Code", "Retry-After"], rows)


def _tree(kind: type[ApiError]) -> Iterator[type[ApiError]]:
    yield kind
    for inner in kind.__subclasses__():
        yield from _tree(inner)
