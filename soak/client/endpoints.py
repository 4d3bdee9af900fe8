"""Each endpoint that takes a body, with a valid one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from bench.server_process import DEMO

SAID = [
    {"role": "system", "content": "Be kind."},
    {"role": "user", "content": "Hello!"},
]


def _conversation(call: dict[str, Any], result: dict[str, Any]) -> list[dict[str, Any]]:
    """One in which the assistant has called a function."""
    called = {"role": "assistant", "content": "", "tool_calls": [call]}
    return [*SAID, called, {"role": "tool", "content": "22", **result}, SAID[1]]


OPENAI_CALL = {"id": "1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
OLLAMA_CALL = {"function": {"name": "f", "arguments": {}}}
MESSAGES = _conversation(OPENAI_CALL, {"tool_call_id": "1"})
SHORT = {"stream": True, "max_tokens": 2, "temperature": 0}
OLLAMA = {"model": DEMO, "options": {"num_predict": 2, "temperature": 0}}


@dataclass(frozen=True)
class Endpoint:
    """`schema` is the name of the request's, `body` a valid one."""

    path: str
    schema: str
    body: dict[str, Any]

    @property
    def errors(self) -> str:
        return "ollama/error" if self.path.startswith("/api/") else "openai/error"


ENDPOINTS = (
    Endpoint("/v1/chat/completions", "openai/chat_request", {"messages": MESSAGES, **SHORT}),
    Endpoint("/v1/completions", "openai/completion_request", {"prompt": "Hello!", **SHORT}),
    Endpoint("/tokenize", "openai/tokenize_request", {"messages": SAID}),
    Endpoint("/tokenize", "openai/tokenize_request", {"prompt": "Hello!"}),
    Endpoint("/detokenize", "openai/detokenize_request", {"tokens": [1, 2, 3]}),
    Endpoint(
        "/api/chat",
        "ollama/chat_request",
        {**OLLAMA, "messages": _conversation(OLLAMA_CALL, {"tool_name": "f"})},
    ),
    Endpoint("/api/generate", "ollama/generate_request", {**OLLAMA, "prompt": "Hello!"}),
    Endpoint("/api/show", "ollama/show_request", {"model": DEMO}),
)
