"""Strict JSON, on whatever bytes come; and that no body at all makes the server fail."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ovapi.api.openai.chat import decode
from ovapi.core import SamplingParams
from ovapi.errors import ApiError, InvalidRequest
from ovapi.http.answer.json_encoder import encode_json
from ovapi.http.body.parser import MAX_DEPTH, parse
from soak.client.bodies import HELLO
from tests.support.api import SCHEMAS

TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
SCALARS = st.none() | st.booleans() | st.integers(-(2**63), 2**64) | TEXT
NUMBERS = st.floats(allow_nan=False, allow_infinity=False)
VALUES = st.recursive(
    SCALARS | NUMBERS,
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(TEXT, inner, max_size=5),
    max_leaves=20,
)
OBJECTS = st.dictionaries(TEXT, VALUES, max_size=5)


def refusal(use: Callable[[], object]) -> ApiError | None:
    """The error that a client would see; any other exception fails the test."""
    try:
        use()
    except ApiError as error:
        return error
    return None


@settings(deadline=None)
@given(OBJECTS, st.booleans())
def test_what_is_json_is_read(value: dict[str, Any], escaped: bool) -> None:
    assert parse(json.dumps(value, ensure_ascii=escaped).encode()) == value


@settings(deadline=None)
@given(OBJECTS)
def test_what_is_written_is_read(value: dict[str, Any]) -> None:
    assert json.loads(encode_json(value)) == value


@settings(deadline=None)
@given(st.binary())
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    error = refusal(lambda: parse(data))
    assert error is None or error.code == "invalid_json"


@settings(deadline=None)
@given(st.text(alphabet='{}[]",:\\ud80012eE-.+ntrufalse \n\0'))
def test_almost_json_is_read_or_refused(text: str) -> None:
    error = refusal(lambda: parse(text.encode()))
    assert error is None or error.code == "invalid_json"


@pytest.mark.parametrize("opening", [b'{"a":', b'{"a":['])
def test_the_depth_that_is_allowed(opening: bytes) -> None:
    closing = b"]}" if opening.endswith(b"[") else b"}"
    levels = MAX_DEPTH // len(closing)
    assert parse(opening * levels + b"1" * (closing == b"}") + closing * levels)
    with pytest.raises(InvalidRequest, match="64 levels"):
        parse(opening * (levels + 1) + b"1" * (closing == b"}") + closing * (levels + 1))


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_what_is_no_json_is_not_written(value: float) -> None:
    with pytest.raises(ValueError, match="JSON"):
        encode_json({"a": value})


PARAMETERS = sorted(SCHEMAS["openai/chat_request"]["properties"])
ODD = VALUES | st.sampled_from([[], {}, "", [HELLO], HELLO["messages"], 0, 1, 2, -1, 0.5, [5]])


@settings(deadline=None)
@given(st.dictionaries(st.sampled_from(PARAMETERS), ODD, max_size=6))
def test_any_parameters_are_decoded_or_refused(parameters: dict[str, Any]) -> None:
    body = {**HELLO, **parameters}

    def use() -> None:
        SCHEMAS.validate("openai/chat_request", body)
        decode(body, SamplingParams(), "chatcmpl-1")

    error = refusal(use)
    assert error is None or (error.status == 400 and error.param)


@pytest.mark.parametrize(
    ("value", "most"), [("1", 2**20), ("{}", 2**17), ("[]", 2**17), ('{"a":1}', 2**17)]
)
def test_more_values_than_any_request_needs_are_refused(value: str, most: int) -> None:
    fits, many = (f'{{"a":[{",".join([value] * count)}]}}' for count in (most - 2, 2 * most))
    assert len(parse(fits.encode())["a"]) == most - 2
    with pytest.raises(InvalidRequest, match="too many values"):
        parse(many.encode())
