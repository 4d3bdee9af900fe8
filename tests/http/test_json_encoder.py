"""JSON in parts is the same JSON."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ovapi.http.answer.json_encoder import PART_ITEMS, encode_json, json_parts


@pytest.mark.parametrize(
    "value",
    [
        {},
        [],
        "é\n",
        None,
        {"a": {}, "b": [], "c": {"d": [1.5, None, True]}},
        *({"x": list(range(PART_ITEMS + more)), "y": 1} for more in (-1, 0, 1, PART_ITEMS)),
        [{"n": [number]} for number in range(3 * PART_ITEMS)],
    ],
)
def test_parts_make_the_whole(value: Any) -> None:
    parts = list(json_parts(value))
    assert b"".join(parts) == encode_json(value)
    assert json.loads(b"".join(parts)) == value


def test_a_long_array_comes_in_several_parts() -> None:
    assert max(map(len, json_parts({"x": [0] * 100_000}))) <= 2 * PART_ITEMS


def test_what_is_no_json_is_refused_in_any_part() -> None:
    with pytest.raises(ValueError, match="finite"):
        list(json_parts({"x": [0.0] * PART_ITEMS + [float("nan")]}))
