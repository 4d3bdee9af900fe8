"""From prompts to tokens: what is tokenized apart, and what is refused before it is tokenized."""

from __future__ import annotations

import json
import re
import time
from dataclasses import replace
from typing import Any

import pytest

from ovapi.config.engine_options import EngineOptions
from ovapi.core import (
    ChatPrompt,
    GenerateRequest,
    Message,
    SamplingParams,
    TextPrompt,
    ToolCall,
)
from ovapi.engine.genai.loader import make_input_processor
from ovapi.engine.model_files import ModelFiles
from ovapi.engine.text.detokenizer import TokenTable
from ovapi.engine.text.input_processor import InputProcessor
from ovapi.engine.text.prompt import PromptEncoder
from ovapi.errors import ContextLengthExceeded, InvalidRequest, UnsupportedParameter
from ovapi.language.model_language import LanguageOptions
from tests.support.driver import DEMO, chat


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    import openvino_genai

    return openvino_genai.Tokenizer(DEMO)


@pytest.fixture(scope="module")
def input_processor(tokenizer: Any) -> InputProcessor:
    return make_input_processor(tokenizer, ModelFiles.read(DEMO), None, EngineOptions("demo", DEMO))


@pytest.mark.parametrize(("tools", "text"), [((), "plain"), (({"name": "f"},), '{"name": "f"}')])
def test_a_template_made_for_tools_is_taken_with_tools_only(
    tokenizer: Any, tools: tuple[Any, ...], text: str
) -> None:
    """Without any it fails, as those of some families do."""
    made_for_tools = "{{ tools[0] | tojson }}"
    files = replace(ModelFiles.read(DEMO), chat_template="plain", tool_template=made_for_tools)
    encoder = PromptEncoder(tokenizer, files, ())
    assert "".join(encoder.parts(chat("Hi", tools=tools))) == text


@pytest.mark.parametrize("name", ["range", "dict", "messages", "eos_token"])
def test_a_variable_that_belongs_to_the_template_is_refused_by_name(
    input_processor: InputProcessor, name: str
) -> None:
    request = GenerateRequest("r", chat("Hi", template_args={name: 1}), SamplingParams())
    with pytest.raises(InvalidRequest) as caught:
        input_processor.prepare(request)
    assert caught.value.param == f"chat_template_kwargs.{name}"


def test_ids_decode_to_the_clients_own_text(input_processor: InputProcessor) -> None:
    text = "x<|im_end|>" * 300 + "y" * 1000 + "<|im_start|>"
    ids = input_processor.encode(chat(text))
    assert text in input_processor.table.text(ids)
    assert ids.count(2) == input_processor.encode(chat("x")).count(2)


@pytest.mark.parametrize(
    "prompt",
    [
        chat("<|im_end|>" * 1_000_000),
        chat("word " * 3_000_000),
        TextPrompt("word " * 3_000_000),
        # within the bounds on characters; a beginning tells
        TextPrompt("x" * 50_000),
        chat("<|im_end|>" * 5000),
    ],
    ids=["control tokens", "a chat", "a text", "a short text", "some control tokens"],
)
def test_what_cannot_fit_is_refused_before_it_is_tokenized(
    input_processor: InputProcessor, prompt: ChatPrompt | TextPrompt
) -> None:
    started = time.monotonic()
    with pytest.raises(ContextLengthExceeded, match="far more tokens"):
        input_processor.prepare(GenerateRequest("r", prompt, SamplingParams()))
    assert time.monotonic() - started < 5


def test_a_few_contexts_may_be_tokenized(input_processor: InputProcessor) -> None:
    assert (
        len(input_processor.encode(TextPrompt("x" * 4 * input_processor.context)))
        == 4 * input_processor.context
    )
    with pytest.raises(ContextLengthExceeded):
        input_processor.encode(TextPrompt("x" * 9 * 4 * input_processor.context))


def test_truncating_megabytes_looks_at_their_end(input_processor: InputProcessor) -> None:
    text = "word " * 1_000_000 + "The end."
    request = GenerateRequest("r", TextPrompt(text), SamplingParams(), truncate_prompt_tokens=5)
    prepared = input_processor.prepare(request)
    assert prepared.ids == input_processor.encode(TextPrompt("word word The end."))[-5:]


def test_the_table_knows_the_longest_token(tokenizer: Any) -> None:
    table = TokenTable.build(tokenizer)
    assert table.longest == max(len(piece) for piece in tokenizer.get_vocab())


def test_accepted_tells_the_prompts_end_to_those_who_ask(input_processor: InputProcessor) -> None:
    request = GenerateRequest("r", chat("Hi"), SamplingParams())
    assert input_processor.prepare(request).accepted.prompt_end == ""
    asking = replace(request, tells_prompt_end=True)
    accepted = input_processor.prepare(asking).accepted
    assert accepted.prompt_end.endswith("Hi<|im_end|>\n<|im_start|>assistant\n")
    long = replace(asking, prompt=TextPrompt("word " * 1000 + "<think>\n"))
    end = input_processor.prepare(long).accepted.prompt_end
    assert end.endswith("word <think>\n")
    assert len(end) < 1000


TOOL = {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}
PLAIN = "{% for m in messages %}[{{ m.role }}]{{ m.content }}{% endfor %}"


def test_tools_by_a_system_message(tokenizer: Any) -> None:
    files = replace(ModelFiles.read(DEMO), chat_template=PLAIN, tool_template=None)
    prompt = chat("Hi", tools=(TOOL,))
    with pytest.raises(UnsupportedParameter, match="tools"):
        PromptEncoder(tokenizer, files, ()).parts(prompt)
    encoder = PromptEncoder(tokenizer, files, (), LanguageOptions(teaches_tools=True))
    text = "".join(encoder.parts(prompt))
    assert text.startswith("[system]You may call")
    assert json.dumps(TOOL["function"]) in text
    assert text.endswith("[user]Hi")
    assert encoder.language.calls


def test_ids_and_the_order_of_results_are_the_familys(tokenizer: Any) -> None:
    template = (
        "{% for m in messages %}{% for c in m.tool_calls or [] %}[TOOL_CALLS]{{ c.function.name }}"
        "[ARGS]{{ c.id }}{% endfor %}{% if m.role == 'tool' %}({{ m.tool_call_id }}:"
        "{{ m.content }}){% endif %}{% endfor %}"
    )
    files = replace(ModelFiles.read(DEMO), chat_template=template, tool_template=None)
    calls = (ToolCall("call_one", "f", "{}"), ToolCall("123456789", "g", "{}"))
    results = (
        Message("tool", "second", tool_call_id="123456789"),
        Message("tool", "first", tool_call_id="call_one"),
    )
    prompt = ChatPrompt((Message("assistant", "", tool_calls=calls), *results))
    text = "".join(PromptEncoder(tokenizer, files, ()).parts(prompt))
    found = re.fullmatch(
        r"\[TOOL_CALLS\]f\[ARGS\](\w{9})\[TOOL_CALLS\]g\[ARGS\]123456789"
        r"\((\w{9}):first\)\(123456789:second\)",
        text,
    )
    assert found is not None, text
    assert found[1] == found[2] != "call_one"
