# ruff: noqa: RUF001 - the markers are what they are
"""A template shows its family; a configuration may name another."""

from __future__ import annotations

import pytest

from ovapi.core import ToolCall
from ovapi.language.call_ids import IdForm
from ovapi.language.families import FAMILIES, PLAIN, choose, named, with_formats
from ovapi.language.offered_tools import OfferedTools
from ovapi.language.reasoning.format import FORMATS as REASONING_FORMATS
from ovapi.language.tools.formats import FORMATS as TOOL_FORMATS


@pytest.mark.parametrize(
    ("template", "family"),
    [
        ("<|start|>assistant<|channel|>analysis<|message|>", "gpt-oss"),
        ("'<|tool_call>call:' + name", "gemma4"),
        ("<seed:tool_call>\n<function=f>\n<parameter=k>", "seed-oss"),
        ("<tool_call>\n<function=f>\n<parameter=k>", "qwen3-coder"),
        ('<function name="f"><param name="k">', "minicpm5"),
        ("<minimax:tool_call><invoke", "minimax-m2"),
        ("<tool_call>f<arg_key>", "glm"),
        ("<｜DSML｜function_calls>", "deepseek-v3.2"),
        ("'<｜tool▁calls▁begin｜>' + tool['type'] + '<｜tool▁sep｜>'", "deepseek-r1"),
        ("'<｜tool▁calls▁begin｜>' + tool['function']['name']", "deepseek-v3.1"),
        ("<|tool_calls_section_begin|>", "kimi-k2"),
        ("<|tool_call_start|>\n```python\n", "minicpm3"),
        ("<|tool_call_start|>[", "lfm2"),
        ("<|tool_list_start|>[", "lfm2"),
        ("functools[", "phi4-mini"),
        ("[TOOL_CALLS]f[CALL_ID]id[ARGS]", "mistral-small-3.2"),
        ("[TOOL_CALLS]f[ARGS]", "devstral"),
        ("[TOOL_CALLS][", "mistral-nemo"),
        ("<|header_start|> Respond in the format", "llama4"),
        ("<|python_tag|>", "llama3"),
        ("Respond in the format {", "llama3"),
        ("<|START_ACTION|>[", "command-r7b"),
        ("Write 'Action:' followed by", "command-r-plus"),
        ("<|tool_call|>", "granite3"),
        ("<TOOLCALL>[", "nemotron-nano-v2"),
        ("<tool_calls>[ <tool_call>", "apriel"),
        ("'>>>all\n'", "functionary"),
        ("<tool_call>\n{", "hermes"),
        ("{{ messages }}", "plain"),
    ],
)
def test_family_of_a_template(template: str, family: str) -> None:
    assert choose(template).name == family


def test_each_family_names_formats_that_there_are() -> None:
    for family in FAMILIES:
        assert family.tools in TOOL_FORMATS
        assert not family.reasoning or family.reasoning in REASONING_FORMATS
        assert named(family.name).tools == family.tools
    assert {family.tools for family in FAMILIES} == set(TOOL_FORMATS)


def test_reasoning_only_where_the_template_knows_it() -> None:
    assert choose("<tool_call> <think>").reasoning == "think"
    assert choose("<tool_call>").reasoning == ""
    assert choose("{{ '<think>' }}").reasoning == "think"


def test_unknown_name_is_refused() -> None:
    with pytest.raises(ValueError, match=r"no model family gpt-9\. Known: apriel, "):
        named("gpt-9")


def test_formats_can_be_named() -> None:
    family = with_formats(PLAIN, "hermes", "think")
    assert (family.tools, family.reasoning) == ("hermes", "think")
    assert with_formats(family, None, "") == with_formats(PLAIN, "hermes", "")
    assert with_formats(PLAIN, None, None) == PLAIN
    with pytest.raises(ValueError, match=r"no format xml\. Known: apriel, "):
        with_formats(family, None, "xml")


def test_ids_of_mistral() -> None:
    form = named("mistral-nemo").ids
    assert len({form.new() for _ in range(1000)}) == 1000
    assert all(len(form.new()) == 9 and form.new().isalnum() for _ in range(100))
    calls = [ToolCall("ab3DE67f0", "f", "{}"), ToolCall("call_from-elsewhere", "f", "{}")]
    ids = form.in_prompt(calls)
    assert ids["ab3DE67f0"] == "ab3DE67f0"
    assert len(ids["call_from-elsewhere"]) == 9
    assert ids["call_from-elsewhere"].isalnum()
    assert form.in_prompt(calls) == ids


def test_ids_of_kimi() -> None:
    form = named("kimi-k2").ids
    assert form.new().startswith("call_")
    calls = [ToolCall("call_a", "f", "{}"), ToolCall("call_b", "g", "{}")]
    assert form.in_prompt(calls) == {"call_a": "functions.f:0", "call_b": "functions.g:1"}


def test_other_ids_stay() -> None:
    assert IdForm.ANY.in_prompt([ToolCall("x", "f", "{}")]) == {"x": "x"}


def test_id_that_the_model_wrote_goes_to_the_client_once() -> None:
    parser = named("mistral-small-3.2").parser(_tools())
    events = parser.feed("[TOOL_CALLS]f[CALL_ID]ab3DE67f0[ARGS]{}" * 2) + parser.finish()
    ids = [event.id for event in events if hasattr(event, "id")]
    assert ids[0] == "ab3DE67f0"
    assert len(ids) == len(set(ids)) == 2


def _tools() -> OfferedTools:
    return OfferedTools({"f": None})
