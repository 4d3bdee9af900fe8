"""Thought is told apart from the answer."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ovapi.language.events import ReasoningDelta, TextDelta
from ovapi.language.families import FAMILIES, named
from ovapi.language.reasoning.format import FORMATS
from tests.language.outcome import outcome_of, parser_of, read
from tests.language.writers import START_ONLY, WRITERS

THINKING = {
    name: (family, write)
    for name, (family, write) in WRITERS.items()
    if named(family).reasoning and name not in START_ONLY
}
DIALECTS = pytest.mark.parametrize("dialect", THINKING)


def markers_of(dialect: str) -> tuple[str, str]:
    reasoning = FORMATS[named(THINKING[dialect][0]).reasoning]
    return reasoning.openers[0], reasoning.closers[0]


@DIALECTS
def test_thought_answer_and_call(dialect: str) -> None:
    family, write = THINKING[dialect]
    opener, closer = markers_of(dialect)
    call = write([("f", {"text": "a"})])
    outcome = read(family, f"{opener}\nIt is\n\n2 < 3.\n{closer}\n\nWell. {call}")
    assert outcome.reasoning == "It is\n\n2 < 3."
    assert outcome.text == "Well. "
    assert outcome.made == [("f", {"text": "a"})]
    assert outcome.order == "rtc"


@DIALECTS
def test_call_in_thought_is_thought(dialect: str) -> None:
    family, write = THINKING[dialect]
    opener, closer = markers_of(dialect)
    call = write([("f", {"text": "a"})])
    outcome = read(family, f"{opener}I could {call} now{closer}No.")
    assert outcome.calls == []
    assert (outcome.reasoning, outcome.text) == (f"I could {call} now", "No.")


@DIALECTS
def test_thought_that_the_prompt_opens(dialect: str) -> None:
    family, write = THINKING[dialect]
    opener, closer = markers_of(dialect)
    outcome = read(family, f"hm\n{closer}\n\n{write([('g', {})])}", opened=True)
    assert (outcome.reasoning, outcome.order) == ("hm", "rc")
    assert read(family, f"{opener}hm{closer}Hi", opened=True).reasoning == "hm"


@DIALECTS
def test_unclosed_thought_stays_thought(dialect: str) -> None:
    family, _ = THINKING[dialect]
    opener, closer = markers_of(dialect)
    outcome = read(family, f"{opener}hm {closer[:-1]}")
    assert (outcome.reasoning, outcome.text) == (f"hm {closer[:-1]}", "")


@DIALECTS
def test_empty_thought_is_none(dialect: str) -> None:
    family, _ = THINKING[dialect]
    opener, closer = markers_of(dialect)
    assert read(family, f"{opener}\n\n{closer}\n\nHi").order == "t"


@DIALECTS
def test_thought_comes_out_at_once(dialect: str) -> None:
    family, _ = THINKING[dialect]
    parser = parser_of(family, opened=True)
    assert parser.feed("It is") == [ReasoningDelta("It is")]
    assert parser.feed(" so") == [ReasoningDelta(" so")]


@DIALECTS
def test_missing_thought_withholds_no_text(dialect: str) -> None:
    assert parser_of(THINKING[dialect][0]).feed("It is") == [TextDelta("It is")]


def test_think_in_the_middle_of_text_is_text() -> None:
    text = "Write <think> to think, </think> to stop."
    assert read("hermes", text).text == text


def test_thought_may_come_again_after_a_call() -> None:
    call = '<tool_call>{"name": "g"}</tool_call>'
    outcome = read("hermes", f"<think>a</think>{call}\n<think>b</think>c")
    assert (outcome.order, outcome.reasoning, outcome.text) == ("rcrt", "ab", "c")


def test_channels_of_gpt_oss() -> None:
    outcome = read(
        "gpt-oss",
        "<|channel|>analysis<|message|>Let me think.<|end|>"
        "<|start|>assistant<|channel|>commentary<|message|>I will look.<|end|>"
        "<|start|>assistant<|channel|>commentary to=functions.f <|constrain|>json<|message|>"
        '{"text": "a"}<|call|>',
    )
    assert (outcome.order, outcome.reasoning, outcome.text) == (
        "rtc",
        "Let me think.",
        "I will look.",
    )
    assert outcome.made == [("f", {"text": "a"})]
    assert (outcome.malformed, outcome.truncated) == (0, 0)


@pytest.mark.parametrize(
    "header",
    [
        " to=functions.f<|channel|>commentary json<|message|>",
        "<|start|>assistant to=functions.f<|channel|>commentary json<|message|>",
        "<|channel|>commentary to=functions.f<|message|>",
        "<|channel|>analysis to=functions.f code<|message|>",
    ],
)
def test_recipient_of_gpt_oss_in_all_its_places(header: str) -> None:
    outcome = read("gpt-oss", header + '{"text": "a"}<|call|>')
    assert outcome.made == [("f", {"text": "a"})]
    assert outcome.text == ""


def test_final_channel_of_gpt_oss_streams() -> None:
    parser = parser_of("gpt-oss")
    assert parser.feed("<|channel|>final<|message|>") == []
    assert parser.feed("Hello") == [TextDelta("Hello")]
    assert parser.feed(" you") == [TextDelta(" you")]
    assert parser.feed("<|return|>") + parser.finish() == []


def test_header_that_functionary_s_prompt_opens() -> None:
    outcome = read("functionary", 'all\nLet me see.\n>>>f\n{"text": "a"}', opened=True)
    assert (outcome.text, outcome.made) == ("Let me see.\n", [("f", {"text": "a"})])
    assert read("functionary", 'f\n{"count": 1}', opened=True).made == [("f", {"count": 1})]


def test_response_markers_of_command_r7b_are_hidden() -> None:
    outcome = read(
        "command-r7b",
        "<|START_THINKING|>hm<|END_THINKING|><|START_RESPONSE|>Hi<|END_RESPONSE|>",
    )
    assert (outcome.reasoning, outcome.text) == ("hm", "Hi")


def test_special_tokens_are_hidden_outside_of_calls() -> None:
    text = '<s><think>a<s>b</think>c<s>d<tool_call>{"name": "f", "arguments": {"text": "<s>"}}'
    outcome = read("hermes", text, hidden=("<s>", "</s>", "<think>", "<tool_call>"))
    assert (outcome.reasoning, outcome.text) == ("ab", "cd")
    assert outcome.made == [("f", {"text": "<s>"})]


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_what_a_prompt_opens_is_seen(family: object) -> None:
    assert isinstance(family, type(FAMILIES[0]))
    if family.reasoning:
        opener, closer = (each[0] for each in _markers(family.reasoning))
        assert family.opened_by(f"<|im_start|>assistant\n{opener}\n")
        assert not family.opened_by(f"<|im_start|>assistant\n{opener}\n\n{closer}\n\n")
    assert not family.opened_by("<|im_start|>assistant\n")


def _markers(reasoning: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    return FORMATS[reasoning].openers, FORMATS[reasoning].closers


@given(st.lists(st.sampled_from(["<think>", "</think>", "<thi", "\n", " ", "a", "</"])))
def test_cut_does_not_matter(pieces: list[str]) -> None:
    text = "".join(pieces)
    for opened in (False, True):
        assert outcome_of(parser_of("hermes", opened), pieces) == read("hermes", text, opened)
