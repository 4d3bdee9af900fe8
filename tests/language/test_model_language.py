"""How a model writes, by its template and by the configuration; tools by a system message."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ovapi.core import ChatPrompt, Message, ToolCall
from ovapi.language.families import named
from ovapi.language.model_language import LanguageOptions, ModelLanguage
from ovapi.language.reasoning.format import FORMATS as REASONING_FORMATS
from ovapi.language.taught_tools import taught
from ovapi.language.tools.formats import FORMATS as TOOL_FORMATS
from tests.support.languages import HARMONY, HERMES, KIMI, MISTRAL

TOOLS = ({"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}},)
QWEN = "<tool_call> {{ tools }} <think>"


def language(template: str | None, knows_tools: bool = True, **options: object) -> ModelLanguage:
    return ModelLanguage.of(template, knows_tools, LanguageOptions(**options))  # type: ignore[arg-type]


def test_the_template_tells() -> None:
    assert language(QWEN) == ModelLanguage(named("hermes"), knows_tools=True)
    assert language(QWEN).calls
    assert language(QWEN).thinks
    assert not language("{{ messages }}", knows_tools=False).calls
    assert not language("{{ messages }}").thinks
    assert language(None, knows_tools=False) == ModelLanguage()


def test_the_configuration_overrides_it() -> None:
    family = language(QWEN, tool_format="qwen3-coder", reasoning_format="mistral").family
    assert (family.tools, family.reasoning) == ("qwen3-coder", "mistral")
    none = language(QWEN, tool_format="none", reasoning_format="none")
    assert not none.calls
    assert not none.thinks


def test_a_model_is_taught_what_its_template_does_not_know() -> None:
    plain = language("{{ messages }}", knows_tools=False, teaches_tools=True)
    assert plain.taught
    assert plain.family.tools == "hermes"
    assert not language(QWEN, teaches_tools=True).taught
    assert not language(None, knows_tools=False, teaches_tools=True).taught


def test_where_thought_is_found() -> None:
    assert HERMES.thinks_first
    assert not HERMES.thinks_in_special_tokens
    assert not MISTRAL.thinks_first
    assert MISTRAL.thinks_in_special_tokens
    assert HARMONY.thinks
    assert HARMONY.thinks_in_special_tokens
    assert not KIMI.thinks_in_special_tokens


def test_the_schema_of_the_configuration_has_all_formats() -> None:
    file = Path(__file__).resolve().parents[2] / "schemas" / "config.json"
    model = json.loads(file.read_text())["$defs"]["model"]["properties"]
    assert model["tool_format"]["enum"] == ["auto", "none", *sorted(TOOL_FORMATS)]
    assert model["reasoning_format"]["enum"] == ["auto", "none", *sorted(REASONING_FORMATS)]


@pytest.mark.parametrize("system", [None, "Be brief."])
def test_tools_in_a_system_message(system: str | None) -> None:
    turns = (Message("user", "Hi"),)
    if system is not None:
        turns = (Message("system", system), *turns)
    prompt = taught(ChatPrompt(turns, TOOLS))
    first, *rest = prompt.messages
    assert prompt.tools == ()
    assert first.role == "system"
    assert first.content.startswith(system or "You may call")
    assert json.dumps(TOOLS[0]["function"]) in first.content
    assert "<tool_call>" in first.content
    assert rest == [Message("user", "Hi")]


def test_calls_and_results_as_text() -> None:
    called = Message("assistant", "Wait.", tool_calls=(ToolCall("1", "f", '{"a": 1}'),))
    prompt = taught(ChatPrompt((called, Message("tool", "Done", tool_call_id="1"))))
    assert prompt.messages == (
        Message(
            "assistant",
            'Wait.\n<tool_call>\n{"name": "f", "arguments": {"a": 1}}\n</tool_call>',
        ),
        Message("user", "<tool_response>\nDone\n</tool_response>"),
    )
