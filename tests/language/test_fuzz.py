"""Text that no model should write: nothing is raised, nothing is lost, no cut matters.

Run for longer:  python -m tests.language.test_fuzz SECONDS [SEED]
"""

from __future__ import annotations

import random
import sys
import time
from itertools import pairwise

import pytest

from ovapi.language.families import FAMILIES, Family, named
from ovapi.language.parsing.channels import ChannelFormat
from ovapi.language.reasoning.format import FORMATS as REASONING
from ovapi.language.tools.formats import FORMATS as TOOLS
from tests.language.outcome import Outcome, outcome_of, parser_of
from tests.language.writers import WRITERS

NAMES = sorted({family.name for family in FAMILIES} | {"plain"})
CALL = ("f", {"text": 'a"\\\n<b>', "count": 1, "options": {"x": [1, None]}})
COMMON = [
    *" \n\n\t{}[]()<>\"'`:;,=|\\/-0159aefnt",
    "f", "g", "h", "text", "count", "name", "arguments", '"name": "f"', '"arguments": {',
    "null", "true", "None", "1e5", "\\u00e9", "\\ud83d", "\u00e9", "\U0001f389", "\r\n", "\x00",
    "n" * 300, " " * 70, "<think>", "</think>", "<|im_end|>", "to=functions.f", "f(text='",
    "call:f{", "```json\n",
]  # fmt: skip


def fragments(family: Family) -> list[str]:
    """What a text of this family is made of, whole and in halves."""
    written = [write([CALL, ("g", {})]) for name, write in WRITERS.values() if name == family.name]
    tags = [piece for text in written for piece in _pieces(text)]
    reasoning = REASONING.get(family.reasoning)
    format = TOOLS.get(family.tools)
    tags += (*reasoning.openers, *reasoning.closers) if reasoning else ()
    tags += (*format.openers, *format.starts) if format else ()
    if isinstance(format, ChannelFormat):
        tags += (*format.enders, *format.header_ends, "<|channel|>analysis<|message|>")
    return [*COMMON, *tags * 3, *(tag[: len(tag) // 2] for tag in tags), *written]


def _pieces(text: str) -> list[str]:
    step = random.Random(text)
    places = sorted(step.sample(range(len(text)), 12))
    return [text[start:end] for start, end in pairwise(places)]


def random_text(random: random.Random, parts: list[str]) -> str:
    """Fragments in a row, or a good text that was tampered with."""
    if random.random() < 0.5:
        return "".join(random.choices(parts, k=random.randrange(40)))
    text = list(parts[-1])
    for _ in range(random.randrange(4)):
        place = random.randrange(len(text))
        text[place : place + random.randrange(4)] = random.choice(parts)
    return "".join(text)


def random_pieces(random: random.Random, text: str) -> list[str]:
    places = sorted(random.choices(range(len(text) + 1), k=random.randrange(len(text) + 2)))
    return [text[start:end] for start, end in zip([0, *places], [*places, len(text)], strict=True)]


def check(family: Family, seed: int) -> Outcome:
    chance = random.Random(seed)
    text = random_text(chance, fragments(family))
    opened = chance.random() < 0.2
    whole = outcome_of(parser_of(family, opened), [text])
    pieces = random_pieces(chance, text)
    assert outcome_of(parser_of(family, opened), pieces) == whole, (family.name, opened, pieces)
    assert outcome_of(parser_of(family, opened), text) == whole, (family.name, opened, text)
    if set(whole.order) <= {"t"} and not isinstance(TOOLS.get(family.tools), ChannelFormat):
        hidden = REASONING[family.reasoning].hidden if family.reasoning else ()
        if not opened and not any(marker in text for marker in (*hidden, *_thought(family))):
            assert whole.text == text, (family.name, text)
    return whole


def _thought(family: Family) -> tuple[str, ...]:
    return REASONING[family.reasoning].openers if family.reasoning else ()


@pytest.mark.parametrize("name", NAMES)
def test_nothing_is_raised_or_lost(name: str) -> None:
    outcomes = [check(named(name), seed) for seed in range(300)]
    assert name == "plain" or any(outcome.calls for outcome in outcomes)


def main(seconds: float, seed: int) -> None:
    end = time.monotonic() + seconds
    calls = texts = 0
    while time.monotonic() < end:
        for name in NAMES:
            outcome = check(named(name), seed)
            calls += len(outcome.calls)
            texts += 1
        seed += 1
    print(f"{texts} texts with {calls} calls, up to seed {seed}")


if __name__ == "__main__":
    main(float(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 0)
