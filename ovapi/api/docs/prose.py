"""What the API documentation says in prose, of no dialect in particular."""

from __future__ import annotations

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
(`server.max_body_bytes`), a million commas and 131,072 colons or opening brackets,
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
