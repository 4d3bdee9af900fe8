"""The endpoints and what the documentation says of them in prose."""

from __future__ import annotations

from ovapi.api.docs.endpoint import Endpoint
from ovapi.api.ollama.endpoints import OLLAMA

INTRODUCTION = """\
# API

An OpenAI-compatible API for language models on OpenVINO. Point a client of OpenAI's API at
`http://HOST:PORT/v1`; `/v3` in its place works too.

Point a client of [Ollama's API][ollama] at `http://HOST:PORT`. On these endpoints model names may
end in `:latest`, errors are `{"error": "…"}`, a full queue is a 503, and `Content-Type` may be
omitted except by browsers. Models cannot be pulled, created or deleted: `/api/pull` and similar
endpoints return 404.

Bodies are uncompressed JSON in UTF-8 with `Content-Type: application/json`, nested at most 64
levels deep, without duplicate keys, NaN, infinities or NUL characters. A body has at most 16 MiB
(`server.max_body_bytes`), a million commas and a quarter of a million colons or opening brackets,
and must arrive within 60 seconds (`server.body_timeout`). A parameter that is `null` counts as
omitted.
Unknown and unsupported parameters are rejected with a 400 that names them; parameters without
effect are marked in the tables. Every response has an `X-Request-ID`: that of the request, if it
is up to 128 letters, digits and `._:-`, else a new one.

If keys are configured, all endpoints except `/health` and `/ready` require
`Authorization: Bearer KEY` or `X-Api-Key: KEY` and otherwise return 401. A server on a loopback
address rejects requests for other host names (`server.allowed_hosts` adds some), and every server
rejects browser requests from origins that are not in `server.cors_origins`, with a 403.

This page is generated from the schemas that requests are validated against: see `make docs`.

[ollama]: https://github.com/ollama/ollama/blob/main/docs/api.md
"""

STREAMING = """\
### Streaming

With `"stream": true` the response is a stream of [server-sent events][sse]: lines `data: ` with a
JSON chunk, each followed by an empty line.

1. Each choice starts with a chunk whose delta has the role and empty content. It is sent with the
   first result: a request that fails earlier gets a real HTTP status.
2. Chunks with a piece of the text in `delta.content`: whole characters, never part of a stop
   string. The choices of `n` > 1 are interleaved and told apart by `index`.
3. Each choice ends with a chunk with an empty delta and a `finish_reason`.
4. With `stream_options.include_usage`, one chunk with the usage and no choices.
5. `data: [DONE]`.

Abridged:

```
data: {"id": "chatcmpl-1f", …, "choices": [{"index": 0, "delta": {"role": "assistant", …}, …}]}

data: {"id": "chatcmpl-1f", …, "choices": [{"index": 0, "delta": {"content": "Why"}, …}]}

data: {"id": "chatcmpl-1f", …, "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}

data: [DONE]
```

While there is nothing to send, the server sends a comment line (`: keep-alive`) every 15 seconds
(`server.keepalive_seconds`). If generation fails after the stream has started, it ends with
`data: {"error": {…}}` and `data: [DONE]`. Closing the connection cancels the request.

[sse]: https://html.spec.whatwg.org/multipage/server-sent-events.html
"""

COMPLETION_STREAMING = """\
### Streaming

With `"stream": true` the response is a stream like that of chat completions, with the text in
`text` and without an initial role chunk.
"""

BOLD = """\
Required parameters are **bold**. A model's `defaults` in the configuration override the defaults
listed here.
"""

ERRORS = """\
## Errors

An error response is an object `error` and an HTTP status. `message` is for people, `code` for
programs, and `param` is the path of the parameter: `messages[0].content`, `stop[3]`. Where there is
a `Retry-After`, retry after that many seconds.
"""

CODES = """\
Other codes of a 400: `missing_required_parameter`, `unknown_parameter`, `invalid_type`,
`invalid_value`, `unsupported_value` (the parameter is supported, the value is not) and
`invalid_json`.
"""

ENDPOINTS = (
    Endpoint(
        "POST",
        "/v1/chat/completions",
        "Generates the next message of a conversation.",
        request="openai/chat_request",
        response="openai/chat_response",
        chunk="openai/chat_chunk",
        example={
            "model": "ovapi-demo",
            "messages": [{"role": "user", "content": "Tell me a joke."}],
            "temperature": 0,
        },
        notes=STREAMING,
    ),
    Endpoint(
        "POST",
        "/v1/completions",
        "Completes texts or token ids, without a chat template.",
        request="openai/completion_request",
        response="openai/completion_response",
        chunk="openai/completion_chunk",
        example={"model": "ovapi-demo", "prompt": "Once upon a time", "max_tokens": 20},
        notes=COMPLETION_STREAMING,
    ),
    Endpoint(
        "POST",
        "/tokenize",
        "Tokenizes a text or a conversation of up to four times the model's context.",
        request="tokenize_request",
        response="tokenize_response",
        example={"model": "ovapi-demo", "prompt": "Hello!"},
    ),
    Endpoint(
        "POST",
        "/detokenize",
        "Decodes token ids into text.",
        request="detokenize_request",
        response="detokenize_response",
        example={"model": "ovapi-demo", "tokens": [40, 69, 76]},
    ),
    Endpoint("GET", "/v1/models", "Lists the models.", response="openai/models"),
    Endpoint(
        "GET",
        "/v1/models/{id}",
        "Describes a model, by name or alias. Names may contain slashes.",
        response="openai/model",
    ),
    Endpoint(
        "GET",
        "/health",
        "Liveness: 200 while the process works, with the state of each model.",
        response="health",
    ),
    Endpoint(
        "GET",
        "/ready",
        "Readiness: 200, or 503 with the reasons. The server is ready when it is not stopping and "
        "its default model is loaded or loads on the first request.",
        response="ready",
    ),
    Endpoint(
        "GET",
        "/metrics",
        "Metrics in Prometheus text format. Metrics that mean the same as in vLLM have vLLM's "
        "names with the prefix `ovapi_`.",
        response="",
    ),
    Endpoint(
        "GET",
        "/",
        "Lists models and endpoints: HTML, or JSON where the client accepts it.",
        response="",
    ),
    *OLLAMA,
    Endpoint("GET", "/api_documentation.md", "This page.", response=""),
    Endpoint(
        "GET",
        "/openapi.json",
        "Endpoints and schemas as an OpenAPI 3.1 document.",
        response="",
    ),
)
