"""Request bodies that say little."""

from __future__ import annotations

from typing import Any

CHAT = "/v1/chat/completions"
HELLO: dict[str, Any] = {"messages": [{"role": "user", "content": "Hello"}]}


def chat(**parameters: Any) -> dict[str, Any]:
    return {**HELLO, **parameters}
