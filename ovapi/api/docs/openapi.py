"""The OpenAPI document, made of the endpoints and the schemas that requests are checked against."""

from __future__ import annotations

import re
from typing import Any

from ovapi import __version__
from ovapi.api.docs.endpoint import Endpoint
from ovapi.api.docs.endpoints import ENDPOINTS
from ovapi.validation.schemas import Schemas

VERSION = "3.1.0"
PUBLIC = {"/health", "/ready"}
NO_JSON = {
    "/metrics": "text/plain",
    "/api_documentation.md": "text/plain",
    "/": "text/html",
    "/openapi.json": "application/json",
}
KEYS: list[dict[str, list[str]]] = [{"bearer": []}, {"header": []}]


def openapi(schemas: Schemas) -> dict[str, Any]:
    """The document, for version 3.1. Whether keys are needed is the configuration's matter."""
    paths: dict[str, Any] = {}
    for endpoint in ENDPOINTS:
        paths.setdefault(endpoint.path, {})[endpoint.verb.lower()] = _operation(endpoint)
    return {
        "openapi": VERSION,
        "info": {
            "title": "ovapi",
            "version": __version__,
            "description": "An OpenAI-compatible API server for language models on OpenVINO.",
        },
        "paths": paths,
        "components": {
            "schemas": {_name(name): _schema(schemas, name) for name in schemas if _served(name)},
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer"},
                "header": {"type": "apiKey", "in": "header", "name": "X-Api-Key"},
            },
        },
    }


def _operation(endpoint: Endpoint) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "operationId": _operation_id(endpoint),
        "summary": endpoint.text,
        "security": [] if endpoint.path in PUBLIC else [{}, *KEYS],
        "responses": _responses(endpoint),
    }
    if names := re.findall(r"\{(\w+)\}", endpoint.path):
        operation["parameters"] = [_parameter(name) for name in names]
    if endpoint.request is not None:
        body = {"schema": _reference(endpoint.request), "example": endpoint.example}
        operation["requestBody"] = {"required": True, "content": {"application/json": body}}
    return operation


def _operation_id(endpoint: Endpoint) -> str:
    return "_".join([endpoint.verb.lower(), *re.findall(r"\w+", endpoint.path)])


def _parameter(name: str) -> dict[str, Any]:
    return {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}


def _responses(endpoint: Endpoint) -> dict[str, Any]:
    responses = {"200": _success(endpoint), "default": _failure(endpoint)}
    if endpoint.path == "/ready":
        responses["503"] = {**responses["200"], "description": "Not ready."}
    return responses


def _success(endpoint: Endpoint) -> dict[str, Any]:
    if not endpoint.response:
        return {"description": "Success.", "content": {NO_JSON[endpoint.path]: {}}}
    content = {"application/json": {"schema": _reference(endpoint.response)}}
    if endpoint.chunk is not None:
        content[_stream_type(endpoint)] = {"schema": _reference(endpoint.chunk)}
    return {"description": "Success.", "content": content}


def _stream_type(endpoint: Endpoint) -> str:
    return "application/x-ndjson" if _ollama(endpoint) else "text/event-stream"


def _failure(endpoint: Endpoint) -> dict[str, Any]:
    schema = _reference("ollama/error" if _ollama(endpoint) else "openai/error")
    return {"description": "Error.", "content": {"application/json": {"schema": schema}}}


def _ollama(endpoint: Endpoint) -> bool:
    return endpoint.path.startswith("/api/")


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
