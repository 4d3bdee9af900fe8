"""api_documentation.md, generated from the schemas and the error tree.

``python -m ovapi.api.docs`` prints it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ovapi.api.docs.prose import BOLD, CODES, ERRORS, INTRODUCTION
from ovapi.errors import ApiError
from ovapi.http.dialect import Dialect, Endpoint
from ovapi.serving.metrics.metrics import Metrics
from ovapi.validation.properties import Property, properties, table
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
    rows = [_row(one) for one in properties(schema) if one.schema.get("x-support") != "refused"]
    return table(["Parameter", "Type", "Default", "Meaning"], rows)


def _fields(schema: Schema) -> str:
    rows = [_row(one) for one in properties(schema)]
    return table(["Field", "Type", "Meaning"], [[row[0], row[1], row[3]] for row in rows])


def _refused(schema: Schema) -> Iterator[str]:
    """The parameters that are known and cannot be honoured."""
    found = [one for one in properties(schema) if one.schema.get("x-support") == "refused"]
    rows = [[f"`{one.name}`", one.schema["description"], _hint(one.schema)] for one in found]
    if rows:
        yield "Known, and refused with a 400 `unsupported_parameter`:\n"
        yield table(["Parameter", "Meaning", "Instead"], rows)


def _hint(schema: Schema) -> str:
    hint = schema.get("x-hint", "")
    return f"{hint}." if hint else ""


def _row(one: Property) -> list[str]:
    name = f"**`{one.name}`**" if one.required else f"`{one.name}`"
    effect = "*No effect.* " if one.schema.get("x-effect") == "none" else ""
    return [name, one.type, one.default, effect + one.description]


def _metrics() -> str:
    rows = [[f"`{one.name}`", one.kind, one.text] for one in Metrics().catalogue()]
    return table(["Metric", "Kind", "Meaning"], rows)


def _errors() -> str:
    rows = []
    for error in sorted(_tree(ApiError), key=lambda kind: kind.status):
        retry = "yes" if error.retry_after is not None else ""
        code = f"`{error.code}`" if error.code else ""
        rows.append([str(error.status), f"`{error.type}`", code, retry])
    return table(["Status", "Type", "Code", "Retry-After"], rows)


def _tree(kind: type[ApiError]) -> Iterator[type[ApiError]]:
    yield kind
    for inner in kind.__subclasses__():
        yield from _tree(inner)
