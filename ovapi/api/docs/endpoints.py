"""The endpoints and what the documentation says of them in prose."""

from __future__ import annotations

from ovapi.api.docs.endpoint import Endpoint
from ovapi.api.ollama.endpoints import OLLAMA

INTRODUCTION = """\
# API

An OpenAI-compatible API for language models on OpenVINO. Point a client of OpenAI's API at
`http://HOST:PORT/v1`; `/v3` in its place works too.

Clients of [Ollama's API][ollama] work unchanged with `http://HOST:PORT`. There the names of models
may end in `:latest`, errors are `{"error": "…"}`, a full queue is a 503, and a body need not
announce its `Content-Type`, unless it comes from a browser. Models are neither fetched nor changed:
`/api/pull` and its like are a 404.

Bodies are JSON in UTF-8 with `Content-Type: application/json`, uncompressed, nested at most 64
deep, without duplicate keys, NaN, infinities or NUL characters. They may have 16 MiB
(`server.max_body_bytes`) with at most a million commas and a quarter of a million colons or opening
brackets, and must arrive within a minute (`server.body_timeout`). `null` stands for a parameter
that is not given.
A parameter that the server does not know, or knows and cannot honour, is refused with a 400 that
names it; one without effect says so in its table. Every answer carries an `X-Request-ID`: the
request's own, where it sent one of up to 128 letters, digits and `._:-`, else a new one.

Once keys are configured, every endpoint but `/health` and `/ready` needs one, as
`Authorization: Bearer KEY` or `X-Api-Key: KEY`; without it the answer is a 401. A server on a
loopback address answers only to its own names (`server.allowed_hosts` adds some), and pages of
other origins may use a server only where `server.cors_origins` lists them; else the answer is a
403.

This page is generated from the schemas that requests are checked against: see `make docs`.

[ollama]: https://github.com/ollama/ollama/blob/main/docs/api.md
"""

STREAMING = """\
### Streaming

With `"stream": true` the answer is a stream of [server-sent events][sse]: lines `data: ` with a
chunk in JSON, each followed by an empty line.

1. Each choice begins with a chunk whose delta has the role and an empty content. It is sent with
   the first result: a request that fails before has a real HTTP status.
2. Chunks with a piece of the text in `delta.content`. A piece is whole characters, and never part
   of a stop string. The choices of `n` > 1 are interleaved; `index` tells them apart.
3. Each choice ends with a chunk whose delta is empty and whose `finish_reason` is set.
4. With `stream_options.include_usage`, one chunk with the usage and no choices.
5. `data: [DONE]`.

Shortened, that is:

```
data: {"id": "chatcmpl-1f", …, "choices": [{"index": 0, "delta": {"role": "assistant", …}, …}]}

data: {"id": "chatcmpl-1f", …, "choices": [{"index": 0, "delta": {"content": "Why"}, …}]}

data: {"id": "chatcmpl-1f", …, "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}

data: [DONE]
```

While there is nothing to send, a comment line (`: keep-alive`) comes every 15 seconds
(`server.keepalive_seconds`). If the generation fails after the stream has begun, an event with an
error object comes, `data: {"error": {…}}`, and then `data: [DONE]`. A client that closes the
connection cancels its request.

[sse]: https://html.spec.whatwg.org/multipage/server-sent-events.html
"""

COMPLETION_STREAMING = """\
### Streaming

With `"stream": true` the answer is a stream as that of chat, with the text in `text`. There is no
chunk before the first piece of text.
"""

BOLD = """\
Required ones are **bold**. The defaults are those of a model without `defaults` of its own in the
configuration.
"""

ERRORS = """\
## Errors

An error is an object `error` and a status. `message` is for people, `code` for programs, `param`
names the parameter, exactly: `messages[0].content`, `stop[3]`. Answers with `Retry-After` can be
tried again after so many seconds.
"""

CODES = """\
Further codes of a 400: `missing_required_parameter`, `unknown_parameter`, `invalid_type`,
`invalid_value`, `unsupported_value` (the parameter is known, this value is not supported) and
`invalid_json`.
"""

ENDPOINTS = (
    Endpoint(
        "POST",
        "/v1/chat/completions",
        "Answers a conversation.",
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
        "Continues texts, without a chat template.",
        request="openai/completion_request",
        response="openai/completion_response",
        chunk="openai/completion_chunk",
        example={"model": "ovapi-demo", "prompt": "Once upon a time", "max_tokens": 20},
        notes=COMPLETION_STREAMING,
    ),
    Endpoint(
        "POST",
        "/tokenize",
        "Shows the token ids of a text or of a conversation, of up to four contexts of the model.",
        request="tokenize_request",
        response="tokenize_response",
        example={"model": "ovapi-demo", "prompt": "Hello!"},
    ),
    Endpoint(
        "POST",
        "/detokenize",
        "Shows the text of token ids.",
        request="detokenize_request",
        response="detokenize_response",
        example={"model": "ovapi-demo", "tokens": [40, 69, 76]},
    ),
    Endpoint("GET", "/v1/models", "Lists the models.", response="openai/models"),
    Endpoint(
        "GET",
        "/v1/models/{id}",
        "Describes one model, by its name or an alias. A name may hold slashes.",
        response="openai/model",
    ),
    Endpoint(
        "GET",
        "/health",
        "Tells how the server and each model are: 200 as long as the process is well.",
        response="health",
    ),
    Endpoint(
        "GET",
        "/ready",
        "Tells whether a request would be served now: 200, or a 503 with the reasons. A server is "
        "ready when its default model is, or is one that a request loads and waits for, and it is "
        "not stopping.",
        response="ready",
    ),
    Endpoint(
        "GET",
        "/metrics",
        "Shows the server's figures to Prometheus, in its text format. Names are those of vLLM "
        "where the meaning is the same, with `ovapi_` before them.",
        response="",
    ),
    Endpoint(
        "GET",
        "/",
        "Shows the models and the endpoints: a page for people, JSON for programs that accept it.",
        response="",
    ),
    *OLLAMA,
    Endpoint("GET", "/api_documentation.md", "Shows this documentation.", response=""),
    Endpoint(
        "GET",
        "/openapi.json",
        "Shows the endpoints and their schemas to programs, as an OpenAPI 3.1 document.",
        response="",
    ),
)
