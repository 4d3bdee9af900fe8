"""RequestTimings: when what became of one engine request."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class RequestTimings:
    """Moments of time.monotonic(), None where there was none (yet).

    `reason` is how it ended: stop, length, abort (its client left, or its time was over), error or
    refused; `error` is the code of its error.
    """

    begun: float
    started: float | None = None
    first_token: float | None = None
    ended: float | None = None
    prompt_tokens: int = 0
    tokens: int = 0
    reason: str = ""
    error: str = ""
