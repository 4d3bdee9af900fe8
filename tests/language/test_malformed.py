# ruff: noqa: RUF001 - the markers are what they are
"""Calls that are none: text, whole, and counted; or closed, once they had begun to stream."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.language.outcome import read

TEXT = [
    ("hermes", "<tool_call>oh no</tool_call>"),
    ("hermes", '<tool_call>\n{"name": "f" "arguments": {}}\n</tool_call>'),
    ("hermes", '<tool_call>{"arguments": {"text": "a"}}</tool_call>'),
    ("hermes", '<tool_call>{"name": "f", "arguments": [1]}</tool_call>'),
    ("hermes", '<tool_call>{"name": "f", "arguments": "{oh no"}</tool_call>'),
    ("hermes", "<tool_call>{'name': 'f', 'arguments': {}}</tool_call>"),
    ("hermes", '<tool_call>{"name": "\\ud800", "arguments": {}}</tool_call>'),
    ("nemotron-nano-v2", "<TOOLCALL>{[</TOOLCALL>"),
    ("mistral-small-3.2", "[TOOL_CALLS] no header, and none to come"),
    ("devstral", "[TOOL_CALLS]f[ARGS] nothing"),
    ("kimi-k2", "<|tool_calls_section_begin|>f<|tool_calls_section_end|>"),
    ("kimi-k2", "<|tool_calls_section_begin|><|tool_call_begin|>f<|tool_call_end|>"),
    ("deepseek-r1", "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>f\n```json\n{}\n```"),
    ("qwen3-coder", "<tool_call>\n<function=f>\noh no\n</function>"),
    ("qwen3-coder", "<tool_call>\n<function=" + "f" * 300 + ">\n</function>"),
    ("qwen3-coder", '<tool_call>\n{"name": "f"}\n</tool_call>'),
    ("glm", "<tool_call>f(1)</tool_call>"),
    ("minimax-m2", "<minimax:tool_call>f</minimax:tool_call>"),
    ("gemma4", "<|tool_call>f{}<tool_call|>"),
    ("lfm2", "<|tool_call_start|>[f]<|tool_call_end|>"),
    ("gpt-oss", "<|channel|>nonsense<|message|>Hi"),
    ("gpt-oss", "<|channel|>commentary to=functions.f<|message|>Hi"),
    ("functionary", ">>> x = 1\n"),
    ("phi4-mini", "functools is a module of Python"),
    ("command-r-plus", "Action:```json\nnothing"),
]


@pytest.mark.parametrize(("family", "text"), TEXT)
def test_malformed_call_is_text(family: str, text: str) -> None:
    outcome = read(family, f"{text} more")
    assert outcome.calls == []
    assert outcome.text == f"{text} more"
    assert outcome.malformed + outcome.truncated + outcome.unknown > 0


@pytest.mark.parametrize("family", ["llama3", "llama4"])
@pytest.mark.parametrize(
    "text",
    [
        '{"answer": 42}',
        '{"name": "Bob", "age": 5}',
        "{not JSON",
        "[1, 2, 3]",
        "[see below]",
        "[print(1)]",
        '[{"name": "f"}]',
        "{",
        "[",
    ],
)
def test_answer_that_looks_like_a_call_is_no_failure(family: str, text: str) -> None:
    outcome = read(family, text)
    assert (outcome.calls, outcome.text) == ([], text)
    assert (outcome.malformed, outcome.truncated, outcome.unknown) == (0, 0, 0)


BROKEN: list[tuple[str, str, dict[str, Any], str]] = [
    ("hermes", '<tool_call>{"name": "f", "arguments": {"count": 1, oh', {"count": 1}, "oh"),
    ("hermes", '<tool_call>{"name": "f", "arguments": {"text": "a\\x', {"text": "a"}, "\\x"),
    ("hermes", '<tool_call>{"name": "f", "arguments": {"tags": ["a", ?', {"tags": ["a"]}, "?"),
    ("kimi-k2", "<|tool_calls_section_begin|><|tool_call_begin|>functions.f:0"
     '<|tool_call_argument_begin|>{"count": 01}', {}, "}"),
    ("qwen3-coder", "<function=f><parameter=count>1</parameter></function", {"count": 1}, ""),
    ("qwen3-coder", "<function=f><parameter=text>a</parameter><parameter=text>",
     {"text": "a"}, ""),
    ("lfm2", "<|tool_call_start|>[f(text='a', count=b)", {"text": "a"}, ")"),
    ("lfm2", "<|tool_call_start|>[f(text='a', 'b')", {"text": "a"}, "'b')"),
    ("gemma4", '<|tool_call>call:f{text:<|"|>a<|"|>,,', {"text": "a"}, ","),
    ("gpt-oss", '<|channel|>commentary to=f<|message|>{"text": "a",}<|call|>',
     {"text": "a"}, "}<|call|>"),
]  # fmt: skip


@pytest.mark.parametrize(("family", "text", "arguments", "rest"), BROKEN)
def test_call_that_breaks_off_is_closed(
    family: str, text: str, arguments: dict[str, Any], rest: str
) -> None:
    outcome = read(family, text)
    (call,) = outcome.calls
    assert call.missing
    assert json.loads(call.arguments + call.missing) == arguments
    assert outcome.text.endswith(rest)
    assert outcome.malformed + outcome.truncated == 1


def test_second_call_is_malformed_and_the_first_is_not() -> None:
    text = '<TOOLCALL>[{"name": "f", "arguments": {}}, {"name": "f", oh}]</TOOLCALL>'
    outcome = read("nemotron-nano-v2", text)
    assert outcome.made == [("f", {})]
    assert outcome.text == ', {"name": "f", oh}]</TOOLCALL>'
    assert outcome.malformed == 1


def test_unknown_function_between_two_known_ones() -> None:
    one, two = '{"name": "f", "arguments": {}}', '{"name": "h", "arguments": {"name": "f"}}'
    outcome = read("nemotron-nano-v2", f"<TOOLCALL>[{one}, {two}, {one}]</TOOLCALL>")
    assert outcome.made == [("f", {}), ("f", {})]
    assert outcome.text == f", {two}"
    assert (outcome.unknown, outcome.malformed) == (1, 0)


def test_calls_in_an_unknown_call_are_no_calls() -> None:
    text = "<function=h><parameter=x><function=f></function></parameter></function>"
    outcome = read("qwen3-coder", text)
    assert (outcome.calls, outcome.text) == ([], text)


def test_well_formed_call_after_a_malformed_one() -> None:
    outcome = read("hermes", '<tool_call>{"name": <tool_call>{"name": "g"}</tool_call>')
    assert outcome.made == [("g", {})]
    assert outcome.text == '<tool_call>{"name": '
    assert outcome.malformed == 1


@pytest.mark.parametrize("levels", [64, 65, 10_000])
@pytest.mark.parametrize("family", ["hermes", "lfm2", "gemma4"])
def test_nesting_is_bounded(family: str, levels: int) -> None:
    nested = "[" * (levels - 1) + "]" * (levels - 1)
    texts = {
        "hermes": f'<tool_call>{{"name": "f", "arguments": {{"a": {nested}}}}}</tool_call>',
        "lfm2": f"<|tool_call_start|>[f(a={nested})]<|tool_call_end|>",
        "gemma4": f"<|tool_call>call:f{{a:{nested}}}<tool_call|>",
    }
    outcome = read(family, texts[family])
    assert bool(outcome.made) is (levels <= 64)
    assert outcome.malformed == (levels > 64)


LENIENT: list[tuple[str, str, dict[str, Any]]] = [
    ("hermes", '<tool_call>{"arguments": {"text": "a"}, "name": "f"}</tool_call>', {"text": "a"}),
    ("hermes", '<tool_call>{"name": "f", "arguments": "{\\"text\\": \\"a\\"}"}', {"text": "a"}),
    ("hermes", '<tool_call>{"name": "f", "arguments": null}</tool_call>', {}),
    ("hermes", '<tool_call>{"name": "f"}</tool_call>', {}),
    ("hermes", '<tool_call>{"id": 1, "name": "f", "parameters": {"count": 1}}', {"count": 1}),
    ("hermes", '<tool_call>[{"name": "f", "arguments": {"count": 1}}]</tool_call>', {"count": 1}),
    ("hermes", '<tool_call>{"name": "f", "arguments": {"text": "a\nb\t"}}', {"text": "a\nb\t"}),
    ("qwen3-coder", "<function=f>\n<parameter=text>\na\n</parameter>\n</function>\n</tool_call>",
     {"text": "a"}),
    ("qwen3-coder", "<tool_call><function=f><parameter=flag>True</parameter></function>",
     {"flag": True}),
    ("qwen3-coder", "<tool_call><function=f><parameter=options>{'a': None}</parameter></function>",
     {"options": {"a": None}}),
    ("qwen3-coder", "<function=f><parameter=text>\nuse </parameter> to\n</parameter>\n</function>",
     {"text": "use </parameter> to"}),
    ("llama3", '<|python_tag|>{"name": "f", "parameters": {"count": 1}}<|eom_id|>', {"count": 1}),
    ("llama3", "<|python_tag|>f.call(text='a')", {"text": "a"}),
    ("llama3", '\n\n{"type": "function", "name": "f", "parameters": {}}', {}),
    ("gemma4", '<|tool_call>call:f{text:Paris, count: 2 ,<|"|>flag<|"|>:true}<tool_call|>',
     {"text": "Paris", "count": 2, "flag": True}),
    ("gemma4", '<|tool_call>call:f{text:"a\\n"}<tool_call|>', {"text": "a\n"}),
    ("glm", "<tool_call>f<arg_key>text</arg_key><arg_value>a\nb</arg_value></tool_call>",
     {"text": "a\nb"}),
    ("deepseek-v3.2", '<｜DSML｜function_calls><｜DSML｜invoke name="f">'
     '<｜DSML｜parameter name="new" string="true">5</｜DSML｜parameter>'
     '<｜DSML｜parameter name="old" string="false">5</｜DSML｜parameter></｜DSML｜invoke>',
     {"new": "5", "old": 5}),
    ("gpt-oss", '<|channel|>commentary to=f<|message|> {"text": "a"} ', {"text": "a"}),
    ("kimi-k2", "<|tool_calls_section_begin|><|tool_call_begin|>f<|tool_call_argument_begin|>{}",
     {}),
    ("minicpm5",
     '<function name="f"><param name="text"><![CDATA[a </param> b]]></param></function>',
     {"text": "a </param> b"}),
]  # fmt: skip


@pytest.mark.parametrize(("family", "text", "arguments"), LENIENT)
def test_what_models_also_write(family: str, text: str, arguments: dict[str, Any]) -> None:
    outcome = read(family, text)
    assert outcome.made == [("f", arguments)]
    assert (outcome.text.strip(), outcome.malformed, outcome.truncated) == ("", 0, 0)


def test_without_tools_nothing_is_a_call() -> None:
    text = '<think>a</think><tool_call>{"name": "f", "arguments": {}}</tool_call>'
    outcome = read("hermes", text, tools=[])
    assert (outcome.calls, outcome.reasoning) == ([], "a")
    assert outcome.text == '<tool_call>{"name": "f", "arguments": {}}</tool_call>'
