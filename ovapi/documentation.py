"""api_documentation.md, generated from the schemas and the error tree.

``python -m ovapi.documentation`` prints it.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ovapi.errors import ApiError
from ovapi.schema import Schema, Schemas

URL = "http://127.0.0.1:8000"


@dataclass(frozen=True)
class Endpoint:
    """A section: what the endpoint does, an example, and the schemas of what goes in and out."""

    verb: str
    path: str
    text: str
    response: str
    request: str | None = None
    chunk: str | None = None
    example: Mapping[str, Any] | None = None
    notes: str = ""

    def curl(self) -> str:
        """The example as a command line, which a test runs."""
        path = self.path.replace("{id}", "ovapi-demo")
        command = f"curl {URL}{path}"
        if self.example is None:
            return command
        body = shlex.quote(json.dumps(self.example, indent=2, ensure_ascii=False))
        return f"{command} \\\n  -H 'Content-Type: application/json' \\\n  -d {body}"


INTRODUCTION = """\
# API

An OpenAI-compatible API for language models on OpenVINO. Point a client of OpenAI's API at
`http://HOST:PORT/v1`.

Bodies are JSON in UTF-8 with `Content-Type: application/json`, uncompressed, nested at most 64
deep, without duplicate keys, NaN or infinities. `null` stands for a parameter that is not given.
A parameter that the server does not know, or knows and cannot honour, is refused with a 400 that
names it; one without effect says so in its table. Every answer carries an `X-Request-ID`: the
request's own, where it sent one of up to 128 letters, digits and `._:-`, else a new one.

Once keys are configured, every endpoint but `/health` needs one, as `Authorization: Bearer KEY` or
`X-Api-Key: KEY`; without it the answer is a 401. A server on a loopback address answers only to
its own names (`server.allowed_hosts` adds some), and pages of other origins may use a server only
where `server.cors_origins` lists them; else the answer is a 403.

This page is generated from the schemas that requests are checked against: see `make docs`.
"""

STREAMING = """\
### Streaming

With `"stream": true` the answer is a stream of [server-sent events][sse]: lines `data: ` with a
chunk in JSON, each followed by an empty line.

1. Each choice begins with a chunk whose delta is `{"role": "assistant", "content": ""}`. It is
   sent with the first result: a request that fails before has a real HTTP status.
2. Chunks with a piece of the text in `delta.content`. A piece is whole characters, and never part
   of a stop string. The choices of `n` > 1 are interleaved; `index` tells them apart.
3. Each choice ends with a chunk whose delta is empty and whose `finish_reason` is set.
4. With `stream_options.include_usage`, one chunk with the usage and no choices.
5. `data: [DONE]`.

While there is nothing to send, a comment line (`: keep-alive`) comes every 15 seconds
(`server.keepalive_seconds`). If the generation fails after the stream has begun, an event with an
error object comes, `data: {"error": {…}}`, and then `data: [DONE]`. A client that closes the
connection cancels its request.

[sse]: https://html.spec.whatwg.org/multipage/server-sent-events.html
"""

BOLD = """\
Required ones are **bold**. The defaults are those of a model without `defaults` of its own in the
configuration.
"""

ERRORS = """\
## Errors

An error is an object `error` and a status. `message` is for people, `code` for programs, `param`
names the parameter, exactly: `messages[0].content`, `stop[3]`. Answers with `Retry-After` can be
tried again after so many seconds.
"""

CODES = """\
Further codes of a 400: `missing_required_parameter`, `unknown_parameter`, `invalid_type`,
`invalid_value`, `unsupported_value` (the parameter is known, this value is not supported) and
`invalid_json`.
"""

ENDPOINTS = (
    Endpoint(
        "POST",
        "/v1/chat/completions",
        "Answers a conversation.",
        request="openai/chat_request",
        response="openai/chat_response",
        chunk="openai/chat_chunk",
        example={
            "model": "ovapi-demo",
            "messages": [{"role": "user", "content": "Tell me a joke."}],
            "temperature": 0,
        },
        notes=STREAMING,
    ),
    Endpoint("GET", "/v1/models", "Lists the models.", response="openai/models"),
    Endpoint(
        "GET",
        "/v1/models/{id}",
        "Describes one model, by its name or an alias. A name may hold slashes.",
        response="openai/model",
    ),
    Endpoint(
        "GET",
        "/health",
        "Tells how the server and each model are: 200 as long as the process is well.",
        response="health",
    ),
    Endpoint(
        "GET",
        "/",
        "Shows the models and the endpoints: a page for people, JSON for programs that accept it.",
        response="",
    ),
    Endpoint("GET", "/api_documentation.md", "Shows this documentation.", response=""),
)


def generate(schemas: Schemas) -> str:
    sections = [INTRODUCTION]
    sections += [_endpoint(endpoint, schemas) for endpoint in ENDPOINTS]
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
    yield "Known, and refused with a 400 `unsupported_parameter`:\n"
    yield _table(["Parameter", "What it is", "Instead"], rows)


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


if __name__ == "__main__":
    print(generate(Schemas()), end="")
