"""The OpenAPI document, made of the endpoints and the schemas that requests are checked against."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from ovapi import __version__
from ovapi.http.dialect import Dialect, Endpoint
from ovapi.http.handler import ApiHandler
from ovapi.validation.schemas import Schemas

VERSION = "3.1.0"
SUCCESS = "Success."
FAILURE = "Error."
KEYS: list[dict[str, list[str]]] = [{"bearer": []}, {"header": []}]


def openapi(dialects: Iterable[Dialect], schemas: Schemas, base_path: str = "") -> dict[str, Any]:
    """The document, for version 3.1. Whether keys are needed is the configuration's matter."""
    paths: dict[str, Any] = {}
    for dialect in dialects:
        for endpoint in dialect.documented:
            verbs = paths.setdefault(endpoint.path, {})
            verbs[endpoint.verb.lower()] = _operation(dialect, endpoint)
    return {
        "openapi": VERSION,
        "info": {
            "title": "ovapi",
            "version": __version__,
            "description": "An OpenAI-compatible API server for language models on OpenVINO.",
        },
        "servers": [{"url": base_path or "/"}],
        "paths": paths,
        "components": {
            "schemas": {_name(name): _schema(schemas, name) for name in schemas if _served(name)},
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer"},
                "header": {"type": "apiKey", "in": "header", "name": "X-Api-Key"},
            },
        },
    }


def _operation(dialect: Dialect, endpoint: Endpoint) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "operationId": _operation_id(endpoint),
        "summary": endpoint.text,
        "tags": [dialect.name],
        "security": [] if _is_public(endpoint) else [{}, *KEYS],
        "responses": _responses(dialect, endpoint),
    }
    if names := re.findall(r"\{(\w+)\}", endpoint.path):
        operation["parameters"] = [_parameter(name) for name in names]
    if endpoint.request is not None:
        body = {"schema": _reference(endpoint.request), "example": endpoint.example}
        operation["requestBody"] = {"required": True, "content": {"application/json": body}}
    return operation


def _is_public(endpoint: Endpoint) -> bool:
    return issubclass(endpoint.handler, ApiHandler) and endpoint.handler.public


def _operation_id(endpoint: Endpoint) -> str:
    return "_".join([endpoint.verb.lower(), *re.findall(r"\w+", endpoint.path)])


def _parameter(name: str) -> dict[str, Any]:
    return {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}


def _responses(dialect: Dialect, endpoint: Endpoint) -> dict[str, Any]:
    success = _success(dialect, endpoint)
    others = {
        status: {**success, "description": text} for status, text in endpoint.statuses.items()
    }
    return {"200": success, **others, "default": _failure(dialect)}


def _success(dialect: Dialect, endpoint: Endpoint) -> dict[str, Any]:
    if not endpoint.response:
        return {"description": SUCCESS, "content": {endpoint.media_type: {}}}
    content = {"application/json": {"schema": _reference(endpoint.response)}}
    if endpoint.chunk is not None:
        content[dialect.stream_type] = {"schema": _reference(endpoint.chunk)}
    return {"description": SUCCESS, "content": content}


def _failure(dialect: Dialect) -> dict[str, Any]:
    content = {"application/json": {"schema": _reference(dialect.error_schema)}}
    return {"description": FAILURE, "content": content}


def _served(name: str) -> bool:
    return name != "config" and not name.endswith("common")


def _name(schema: str) -> str:
    return schema.replace("/", ".")


def _reference(schema: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{_name(schema)}"}


def _schema(schemas: Schemas, name: str) -> Any:
    return _homeless(schemas[name])


def _homeless(value: Any) -> Any:
    """Without what says where a schema is at home: here all are at home in the document."""
    if isinstance(value, list):
        return [_homeless(item) for item in value]
    if not isinstance(value, dict):
        return value
    return {key: _homeless(item) for key, item in value.items() if key not in ("$schema", "$id")}
