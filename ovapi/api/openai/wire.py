"""What OpenAI's endpoints share on the way out: ids, server-sent events, usage, logprobs."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Mapping
from typing import Any

from ovapi import __version__
from ovapi.core import TokenLogprob, Usage
from ovapi.http.json_encoder import encode_json, json_logprob

FINGERPRINT = f"ovapi-{__version__}"
EVENT_STREAM = "text/event-stream; charset=utf-8"
KEEP_ALIVE = b": keep-alive\n\n"
DONE = b"data: [DONE]\n\n"


def new_id(prefix: str) -> str:
    return f"{prefix}-{secrets.token_hex(12)}"


def event(data: Mapping[str, Any]) -> bytes:
    """One server-sent event; JSON text never holds a line break."""
    return b"data: " + encode_json(data) + b"\n\n"


class UsageTally:
    """The usage of one answer: completions add up, each prompt counts once.

    Choices are numbered through, `choices_per_prompt` for each prompt.
    """

    def __init__(self, choices_per_prompt: int) -> None:
        self._step = choices_per_prompt
        self._prompt = 0
        self._completion = 0
        self._cached: int | None = None

    def add(self, choice: int, usage: Usage) -> None:
        self._completion += usage.completion_tokens
        if choice % self._step:
            return
        self._prompt += usage.prompt_tokens
        if usage.cached_tokens is not None:
            self._cached = (self._cached or 0) + usage.cached_tokens

    def as_json(self) -> dict[str, Any]:
        usage: dict[str, Any] = {
            "prompt_tokens": self._prompt,
            "completion_tokens": self._completion,
            "total_tokens": self._prompt + self._completion,
        }
        if self._cached is not None:
            usage["prompt_tokens_details"] = {"cached_tokens": self._cached}
        return usage


def token_logprobs(tokens: Iterable[TokenLogprob]) -> list[dict[str, Any]]:
    """Log-probabilities in the form of chat; the alternatives are not known."""
    return [
        {
            "token": token.token,
            "logprob": json_logprob(token.logprob),
            "bytes": list(token.bytes),
            "top_logprobs": [],
        }
        for token in tokens
    ]
