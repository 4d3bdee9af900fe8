"""JSON on the way out: compact, in UTF-8, and with every character as itself."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import msgspec

MIN_LOGPROB = -9999.0
"""OpenAI's figure for a log-probability of about nothing: JSON has no minus infinity."""

PART_ITEMS = 256
"""Items of a long array that are encoded at a time."""

_PLAIN = frozenset((str, int, bool, type(None)))
_encode = msgspec.json.Encoder().encode


def encode_json(value: Any) -> bytes:
    """`value` as JSON. Raises ValueError for what JSON cannot say: NaN and infinities, of which
    msgspec would make null, and lone surrogates."""
    _check_numbers(value)
    return _encode(value)


def json_parts(value: Any) -> Iterator[bytes]:
    """`value` as JSON in parts, each of which takes about a millisecond at most.

    The interpreter's lock is held while a part is encoded. Raises ValueError as `encode_json`.
    """
    if isinstance(value, dict):
        yield from _object_parts(value)
    elif isinstance(value, list) and len(value) > PART_ITEMS:
        for start in range(0, len(value), PART_ITEMS):
            yield b"," if start else b"["
            yield encode_json(value[start : start + PART_ITEMS])[1:-1]
        yield b"]"
    else:
        yield encode_json(value)


def _object_parts(value: dict[str, Any]) -> Iterator[bytes]:
    separator = b"{"
    for key, item in value.items():
        yield separator + encode_json(key) + b":"
        yield from json_parts(item)
        separator = b","
    yield b"}" if value else b"{}"


def _check_numbers(value: Any) -> None:
    if isinstance(value, dict):
        value = value.values()
    elif isinstance(value, float):
        if not math.isfinite(value):
            raise ValueError("a number that is not finite is no JSON")
        return
    elif not isinstance(value, (list, tuple)):
        return
    for item in value:
        if type(item) not in _PLAIN:
            _check_numbers(item)


def json_logprob(value: float | None) -> float | None:
    """A log-probability as JSON can say it; None: not known."""
    return None if value is None else max(value, MIN_LOGPROB)
