"""Ollama's endpoints and what the documentation says of them in prose."""

from __future__ import annotations

from ovapi.api.docs.endpoint import Endpoint

LINES = """\
### Streaming

The answer is a stream of lines unless `"stream": false` is given: each is an object in JSON with
the next piece of the text, `Content-Type: application/x-ndjson`. The last one has `done: true` and
the counts and times. If the generation fails after the stream has begun, a line `{"error": "…"}`
comes and is the last. A client that closes the connection cancels its request.
"""

OLLAMA = (
    Endpoint(
        "POST",
        "/api/generate",
        "Answers a prompt, as Ollama's endpoint of that name.",
        request="ollama/generate_request",
        response="ollama/generate_response",
        chunk="ollama/generate_chunk",
        example={"model": "ovapi-demo", "prompt": "Tell me a joke.", "stream": False},
        notes=LINES,
    ),
    Endpoint(
        "POST",
        "/api/chat",
        "Answers a conversation, as Ollama's endpoint of that name.",
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
    Endpoint("GET", "/api/tags", "Lists the models for Ollama's clients.", response="ollama/tags"),
    Endpoint(
        "POST",
        "/api/show",
        "Describes a model for Ollama's clients, from its files.",
        request="ollama/show_request",
        response="ollama/show_response",
        example={"model": "ovapi-demo"},
    ),
    Endpoint(
        "GET",
        "/api/ps",
        "Lists the models that are loaded, for Ollama's clients.",
        response="ollama/ps",
    ),
    Endpoint(
        "GET",
        "/api/version",
        "Shows the server's version to Ollama's clients.",
        response="ollama/version",
    ),
)
