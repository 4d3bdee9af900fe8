"""Ollama's API, as far as it serves models."""

from __future__ import annotations

from ovapi.api.ollama.chat import Chat
from ovapi.api.ollama.generate import Generate
from ovapi.api.ollama.handler import OllamaUnknownPath
from ovapi.api.ollama.models import Running, Show, Tags, Version
from ovapi.http.dialect import Dialect, Endpoint

LINES = """\
### Streaming

Unless `"stream": false` is sent, the response is a stream of JSON lines
(`application/x-ndjson`), each with the next piece of the text. The last line has `done: true`,
token counts and durations. If generation fails after the stream has started, the last line is
`{"error": "…"}`. Closing the connection cancels the request.
"""

ENDPOINTS = (
    Endpoint(
        "POST",
        "/api/generate",
        Generate,
        "Generates a response to a prompt (Ollama).",
        request="ollama/generate_request",
        response="ollama/generate_response",
        chunk="ollama/generate_chunk",
        example={"model": "ovapi-demo", "prompt": "Tell me a joke.", "stream": False},
        notes=LINES,
    ),
    Endpoint(
        "POST",
        "/api/chat",
        Chat,
        "Generates the next message of a conversation (Ollama).",
        request="ollama/chat_request",
        response="ollama/chat_response",
        chunk="ollama/chat_chunk",
        example={
            "model": "ovapi-demo",
            "messages": [{"role": "user", "content": "Tell me a joke."}],
            "stream": False,
            "options": {"temperature": 0},
        },
        notes=LINES,
    ),
    Endpoint("GET", "/api/tags", Tags, "Lists the models (Ollama).", response="ollama/tags"),
    Endpoint(
        "POST",
        "/api/show",
        Show,
        "Describes a model from its files (Ollama).",
        request="ollama/show_request",
        response="ollama/show_response",
        example={"model": "ovapi-demo"},
    ),
    Endpoint(
        "GET",
        "/api/ps",
        Running,
        "Lists the loaded models (Ollama).",
        response="ollama/ps",
    ),
    Endpoint(
        "GET",
        "/api/version",
        Version,
        "Returns the server's version (Ollama).",
        response="ollama/version",
    ),
)

OLLAMA = Dialect(
    "ollama",
    ENDPOINTS,
    error_schema="ollama/error",
    stream_type="application/x-ndjson",
    unknown=("/api/.*", OllamaUnknownPath),
)
