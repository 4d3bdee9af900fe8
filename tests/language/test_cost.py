"""The cost of a text grows with its length, and no more, whatever is in it."""

from __future__ import annotations

import time

import pytest

from ovapi.language.families import FAMILIES, named
from ovapi.language.tools.formats import FORMATS
from tests.language.outcome import parser_of
from tests.language.writers import WRITERS

SIZE = 100_000
MOST = 100e-6  # seconds a character: a loaded machine is no failure, squares are


def hostile(dialect: str) -> dict[str, str]:
    """A text of each kind that might make a parser look at the same characters again and again."""
    family, write = WRITERS[dialect]
    openers = FORMATS[named(family).tools].openers or ("{",)
    call = write([("f", {"text": "abc", "options": {"q": []}})])
    string, nested = call[: call.index("abc")], call[: call.rindex("[]")]
    return {
        "half markers": openers[0][:-1] * SIZE,
        "markers": openers[0] * SIZE,
        "long name": openers[0] + "f" * SIZE,
        "white space": openers[0] + " " * SIZE,
        "ends of strings": string + call[call.index("abc") + 3 : -1] * SIZE,
        "half tags": string + "<" * SIZE,
        "backslashes": string + "\\" * SIZE,
        "line breaks": string + "\n" * SIZE,
        "brackets": nested + "[" * SIZE,
        "a long list": nested + "[" + "1," * SIZE,
        "a long number": nested + "1" * SIZE,
        "calls": call * SIZE,
    }


@pytest.mark.parametrize("size", [1, 7, SIZE])
@pytest.mark.parametrize(
    "dialect", ["hermes", "qwen3-coder", "lfm2", "gemma4", "gpt-oss", "llama4"]
)
def test_cost_is_linear(dialect: str, size: int) -> None:
    for kind, text in hostile(dialect).items():
        length = SIZE if size == SIZE else SIZE // 10
        parser = parser_of(dialect)
        start = time.thread_time()
        for place in range(0, length, size):
            parser.feed(text[place : min(place + size, length)])
        parser.finish()
        assert time.thread_time() - start < MOST * length, (dialect, kind)


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.tools)
def test_token_of_plain_text_costs_microseconds(family: object) -> None:
    assert isinstance(family, type(FAMILIES[0]))
    parser = parser_of(family)
    parser.feed("Once upon a time")
    start = time.thread_time()
    for _ in range(10_000):
        parser.feed(" word")
    assert (time.thread_time() - start) / 10_000 < 20e-6
