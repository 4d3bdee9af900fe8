"""OllamaHandler: what Ollama's endpoints share: names of models, errors, and what curl may send."""

from __future__ import annotations

import time
from typing import Any

from ovapi.errors import ApiError, ModelNotFound, QueueFull, Unavailable
from ovapi.http.body.parser import check_encoding, check_headers
from ovapi.http.handler import ApiHandler
from ovapi.http.unknown_path import UnknownPath
from ovapi.serving.model import Model

LATEST = ":latest"
BROWSER_HEADERS = ("Origin", "Sec-Fetch-Site", "Referer")


class OllamaHandler(ApiHandler):
    """A handler whose errors are Ollama's."""

    def check_body_headers(self) -> None:
        """Ollama takes any Content-Type, and its users' curl commands name none.

        A browser sends such a body across sites without asking, so it must announce JSON.
        """
        headers = self.request.headers
        if any(name in headers for name in BROWSER_HEADERS):
            check_headers(headers)
        else:
            check_encoding(headers)

    def model(self, name: str) -> Model:
        """The model of that name, with or without `:latest`. Raises ModelNotFound."""
        for candidate in (name, name.removesuffix(LATEST)):
            try:
                return self.context.registry.get(candidate)
            except ModelNotFound:
                continue
        raise ModelNotFound(f"model '{name}' not found", param="model")

    def fail(self, error: ApiError) -> None:
        """A full queue is Ollama's 503, not 429."""
        if isinstance(error, QueueFull):
            error = Unavailable(error.message, code=error.code, retry_after=error.retry_after)
        super().fail(error)

    def error_body(self, error: ApiError) -> dict[str, Any]:
        return ollama_error(error)


class OllamaUnknownPath(OllamaHandler, UnknownPath):
    """Ollama's endpoints that change or fetch models, and every other path below /api."""


def ollama_error(error: ApiError) -> dict[str, Any]:
    return {"error": error.message}


def timestamp(nanoseconds: int | None = None) -> str:
    """A Unix time as RFC 3339 in UTC, in nanoseconds as Ollama's; None is now."""
    seconds, rest = divmod(time.time_ns() if nanoseconds is None else nanoseconds, 10**9)
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(seconds))}.{rest:09d}Z"
