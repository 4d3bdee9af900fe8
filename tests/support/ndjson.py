"""Asking Ollama's endpoints, and reading their lines; everything is checked against a schema."""

from __future__ import annotations

import json
from typing import Any

from tests.support.api import SCHEMAS, Api


async def ask(api: Api, path: str, body: dict[str, Any]) -> dict[str, Any]:
    """The one object that answers `body`."""
    async with api.client() as client:
        response = await client.post(path, json={"model": "demo", "stream": False, **body})
    assert response.status_code == 200, response.text
    assert response.headers["Content-Type"] == "application/json"
    answer: dict[str, Any] = response.json()
    SCHEMAS.validate(f"ollama/{path.removeprefix('/api/')}_response", answer)
    return answer


async def stream(api: Api, path: str, body: dict[str, Any]) -> list[dict[str, Any]]:
    """The lines that answer `body`."""
    async with api.client() as client:
        response = await client.post(path, json={"model": "demo", **body})
    assert response.status_code == 200, response.text
    assert response.headers["Content-Type"] == "application/x-ndjson"
    assert response.text.endswith("\n")
    lines = [json.loads(line) for line in response.text.splitlines()]
    for line in lines:
        chunk = f"ollama/{path.removeprefix('/api/')}_chunk"
        SCHEMAS.validate("ollama/error" if "error" in line else chunk, line)
    return lines


async def refused(api: Api, path: str, body: dict[str, Any]) -> tuple[int, str]:
    """The status and the message of an error."""
    async with api.client() as client:
        response = await client.post(path, json=body)
    SCHEMAS.validate("ollama/error", response.json())
    return response.status_code, response.json()["error"]
