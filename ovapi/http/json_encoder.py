"""JSON on the way out: compact, and with every character as itself."""

from __future__ import annotations

import json
import json.encoder
from typing import Any

MIN_LOGPROB = -9999.0
"""OpenAI's figure for a log-probability of about nothing: JSON has no minus infinity."""

_SLOW = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def _make_encoder() -> Any:
    """`JSONEncoder.encode` makes a C encoder for each call, which costs more than it encodes.

    A stream encodes a small object for every token, so here is one made for good. Its arguments
    are those that JSONEncoder gives it: no check for cycles, no `default`, compact separators.
    """
    make = getattr(json.encoder, "c_make_encoder", None)
    if make is None:
        return None
    text = json.encoder.encode_basestring
    return make(None, _SLOW.default, text, None, ":", ",", False, False, False)


_encode = _make_encoder()


def encode_json(value: Any) -> str:
    """`value` as JSON. Raises ValueError for what JSON cannot say, such as NaN."""
    return _SLOW.encode(value) if _encode is None else "".join(_encode(value, 0))


def json_logprob(value: float | None) -> float | None:
    """A log-probability as JSON can say it; None: not known."""
    return None if value is None else max(value, MIN_LOGPROB)
