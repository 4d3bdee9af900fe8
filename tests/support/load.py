"""A load for a server, in a process of its own: 16 streams, and one long prompt among them.

python -m tests.support.load http://127.0.0.1:8000
"""

from __future__ import annotations

import asyncio
import sys

import httpx

from soak.client.prompts import LONG, LONG_PROMPT, chat

STREAMS = 16


async def run(url: str) -> list[int]:
    """The number of events in each answer."""
    bodies = [chat(LONG, stream=True, max_tokens=400) for _ in range(STREAMS)]
    bodies.insert(STREAMS // 2, chat(LONG_PROMPT, stream=True, max_tokens=1))
    async with httpx.AsyncClient(base_url=url, timeout=120) as client:
        return await asyncio.gather(*(_events(client, body) for body in bodies))


async def _events(client: httpx.AsyncClient, body: dict[str, object]) -> int:
    async with client.stream("POST", "/v1/chat/completions", json=body) as response:
        assert response.status_code == 200, await response.aread()
        lines = [line async for line in response.aiter_lines()]
    assert lines[-2] == "data: [DONE]", lines[-3:]
    return sum(line.startswith("data: ") for line in lines)


if __name__ == "__main__":
    counts = asyncio.run(run(sys.argv[1]))
    print(f"{len(counts)} answers, {sum(counts)} events")
