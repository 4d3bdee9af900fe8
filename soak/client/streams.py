"""Streamed answers of a server as text."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import httpx

from soak.client.bodies import CHAT


def client_of(url: str, **options: Any) -> httpx.AsyncClient:
    """A client with as many connections as it wants."""
    limits = httpx.Limits(max_connections=None)
    return httpx.AsyncClient(base_url=url, timeout=300, limits=limits, **options)


async def deltas(client: httpx.AsyncClient, body: dict[str, Any]) -> AsyncIterator[str]:
    """The content of each chunk of a streamed answer of one choice."""
    async with client.stream("POST", CHAT, json={**body, "stream": True}) as response:
        assert response.status_code == 200, await response.aread()
        async for line in response.aiter_lines():
            if line.startswith("data: {"):
                event = json.loads(line[6:])
                assert "error" not in event, event
                yield event["choices"][0]["delta"].get("content") or ""


async def text_of(client: httpx.AsyncClient, body: dict[str, Any]) -> str:
    return "".join([part async for part in deltas(client, body)])
