"""Figures: what a load's answers come to, the same for a server and for the raw pipeline."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from typing import Any

from bench.connection import Answer

Figures = dict[str, Any]


def percentile(sorted_values: Sequence[float], share: float) -> float:
    """The value that `share` of them do not exceed (nearest rank)."""
    return sorted_values[math.ceil(round(share * len(sorted_values), 6)) - 1]


def spread(seconds: Sequence[float]) -> dict[str, float]:
    """p50, p90, p99 and the largest, in milliseconds; empty for no values."""
    values = sorted(1000 * value for value in seconds)
    if not values:
        return {}
    shares = {"p50": 0.5, "p90": 0.9, "p99": 0.99, "max": 1.0}
    return {name: round(percentile(values, share), 3) for name, share in shares.items()}


def figures(answers: Sequence[Answer]) -> Figures:
    """Rates are over the time from the first request sent to the last answer's end."""
    good = [answer for answer in answers if not answer.error and answer.output_tokens]
    errors = Counter(answer.error or "no token" for answer in answers if answer not in good)
    tokens = sum(answer.output_tokens for answer in good)
    seconds = max(a.ended for a in answers) - min(a.sent for a in answers) if answers else 0.0
    seen = [answer for answer in good if answer.first]  # some tokens make no text
    several = [answer for answer in seen if answer.output_tokens > 1]
    return {
        "requests": len(answers),
        "errors": dict(errors),
        "seconds": round(seconds, 4),
        "prompt_tokens": round(sum(a.prompt_tokens for a in good) / max(1, len(good)), 1),
        "output_tokens": tokens,
        "events": sum(answer.events for answer in good),
        "tokens_per_second": round(tokens / seconds, 2) if seconds else 0.0,
        "ttft_ms": spread([a.first - a.sent for a in seen]),
        "tpot_ms": spread([(a.ended - a.first) / (a.output_tokens - 1) for a in several]),
        "latency_ms": spread([a.ended - a.sent for a in good]),
    }
