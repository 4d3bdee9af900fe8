"""Ollama's endpoints and what the documentation says of them in prose."""

from __future__ import annotations

from ovapi.api.docs.endpoint import Endpoint

LINES = """\
### Streaming

Unless `"stream": false` is sent, the response is a stream of JSON lines
(`application/x-ndjson`), each with the next piece of the text. The last line has `done: true`,
token counts and durations. If generation fails after the stream has started, the last line is
`{"error": "…"}`. Closing the connection cancels the request.
"""

OLLAMA = (
    Endpoint(
        "POST",
        "/api/generate",
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
    Endpoint("GET", "/api/tags", "Lists the models (Ollama).", response="ollama/tags"),
    Endpoint(
        "POST",
        "/api/show",
        "Describes a model from its files (Ollama).",
        request="ollama/show_request",
        response="ollama/show_response",
        example={"model": "ovapi-demo"},
    ),
    Endpoint(
        "GET",
        "/api/ps",
        "Lists the loaded models (Ollama).",
        response="ollama/ps",
    ),
    Endpoint(
        "GET",
        "/api/version",
        "Returns the server's version (Ollama).",
        response="ollama/version",
    ),
)
