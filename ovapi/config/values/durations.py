"""Durations as people write them: seconds, or like `5m` and `1h30m`, as Ollama takes them."""

from __future__ import annotations

import re

PATTERN = re.compile(r"(\d+(?:\.\d*)?|\.\d+)(ns|us|µs|ms|s|m|h)")
SECONDS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
FOR_EVER = 1e9
"""Seconds that nobody will live to see the end of."""


def duration(value: float | str) -> float | None:
    """Seconds; None for `never`, for what is negative and for decades. The schemas have checked
    the form."""
    seconds = _parsed(value) if isinstance(value, str) else float(value)
    return seconds if 0 <= seconds < FOR_EVER else None


def _parsed(text: str) -> float:
    if text == "never" or text.startswith("-"):
        return -1.0
    parts = PATTERN.findall(text)
    if not parts:
        return float(text)
    return sum(float(number) * SECONDS[unit] for number, unit in parts)
