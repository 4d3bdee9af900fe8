"""Chat templates as Hugging Face writes them, and special tokens that a client made up."""

from __future__ import annotations

import time
from typing import Any

import pytest

from ovapi.core import ChatPrompt, GenerateRequest, Message, SamplingParams, TextPrompt, ToolCall
from ovapi.engine.genai.loader import make_input_processor
from ovapi.engine.model_files import ModelFiles
from ovapi.engine.text.detokenizer import TokenTable
from ovapi.engine.text.input_processor import InputProcessor
from ovapi.engine.text.prompt import PromptEncoder
from ovapi.errors import ApiError, ContextLengthExceeded, InvalidRequest
from tests.support.driver import DEMO, chat

SPECIAL = ("<s>", "<|im_start|>", "<|im_end|>")


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    import openvino_genai

    return openvino_genai.Tokenizer(DEMO)


@pytest.fixture(scope="module")
def input_processor(tokenizer: Any) -> InputProcessor:
    return make_input_processor(tokenizer, ModelFiles.read(DEMO), None)


def encoder(template: str | None, **variables: str) -> PromptEncoder:
    """Of a model with that template; it cannot tokenize."""
    files = ModelFiles(
        context=10,
        vocabulary=10,
        cache_values=None,
        eos_ids=frozenset(),
        chat_template=template,
        variables=variables,
    )
    return PromptEncoder(None, files, SPECIAL)


def render(template: str, prompt: ChatPrompt | None = None, **variables: str) -> str:
    return "|".join(encoder(template, **variables).parts(prompt or chat("Hi")))


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("{{ messages[0].role }}: {{ messages[0]['content'] }}", "user: Hi"),
        ("{% if true %}\n  {% if true %}\nx\n  {% endif %}\n{% endif %}\n", "x\n"),
        ("{% for n in [1, 2, 3] %}{% if n == 2 %}{% break %}{% endif %}{{ n }}{% endfor %}", "1"),
        ("{{ bos_token }}{{ add_generation_prompt }}", "<s>True"),
        ("{{ tools is none }} {{ documents is none }}", "True True"),
        ("{{ {'ä': '<&>'} | tojson }}", '{"ä": "<&>"}'),
        ("{{ [1] | tojson(indent=1) }}", "[\n 1\n]"),
        ("{{ strftime_now('%Y') }}", time.strftime("%Y")),
        ("{{ messages[0].name is defined }}", "False"),
    ],
)
def test_templates(template: str, text: str) -> None:
    assert render(template, bos_token="<s>") == text


def test_template_arguments_do_not_replace_the_messages() -> None:
    prompt = chat("Hi", template_args={"enable_thinking": True, "messages": "forged"})
    assert render("{{ enable_thinking }} {{ messages[0].content }}", prompt) == "True Hi"


@pytest.mark.parametrize(
    ("arguments", "shown"),
    [('{"a": [1]}', "mapping {'a': [1]}"), ("", "mapping {}"), ("nonsense", "string nonsense")],
)
def test_tool_arguments_are_objects(arguments: str, shown: str) -> None:
    call = Message("assistant", "", tool_calls=(ToolCall("c", "f", arguments),))
    template = (
        "{% set a = messages[0].tool_calls[0].function.arguments %}"
        "{{ 'mapping' if a is mapping else 'string' }} {{ a }}"
    )
    assert render(template, ChatPrompt((call,))) == shown


def test_what_a_template_objects_to_is_the_clients_fault() -> None:
    with pytest.raises(InvalidRequest, match="roles must alternate"):
        render("{{ raise_exception('roles must alternate') }}")
    with pytest.raises(InvalidRequest, match="no chat template"):
        encoder(None).parts(chat("Hi"))


@pytest.mark.parametrize("template", ["{{ 1 / 0 }}", "{{ a.b.c }}", "{{ messages[0] + 1 }}"])
def test_a_template_that_fails_is_not(template: str) -> None:
    with pytest.raises(ApiError) as caught:
        render(template)
    assert caught.value.status == 500


FOR_EVER = "{% for a in range(99999) %}" * 3 + "{{ x }}" + "{% endfor %}" * 3
TWICE = "{% macro f(n) %}{% if n %}{{ f(n - 1) ~ f(n - 1) }}{% endif %}{% endmacro %}{{ f(60) }}"


@pytest.mark.parametrize(
    "template",
    [
        FOR_EVER,
        TWICE,
        "{% for a in range(99999) %}{{ 'a' * 9999 }}{% endfor %}",
        "{{ 9 ** 9 ** 9 }}",
        "{{ 'a' * 9999999999 }}",
        "{{ 9999999999 * [messages] }}",
    ],
)
def test_a_template_that_does_not_end_is_ended(template: str) -> None:
    start = time.monotonic()
    with pytest.raises(ApiError, match="timed out"):
        render(template)
    assert time.monotonic() - start < 5


def test_loops_are_as_jinja_knows_them() -> None:
    template = (
        "{% for a in 'xyz' recursive %}"
        "{{ loop.index }}/{{ loop.length }}{{ a }}{{ loop.nextitem }}{{ loop.last }}"
        "{{ loop('pq') if loop.first and loop.depth == 1 }};"
        "{% else %}nothing{% endfor %}"
        "{% for a in range(9) if a is odd %}{% if a > 5 %}{% break %}{% endif %}{{ a * 2 }}"
        "{% endfor %}{% for a in absent %}{% else %}none{% endfor %}"
    )
    inner = "1/2pqFalse;2/2qTrue;"
    assert render(template) == f"1/3xyFalse{inner};2/3yzFalse;3/3zTrue;2610none"


@pytest.mark.parametrize(
    "template",
    ["{{ ''.__class__.__mro__[1].__subclasses__() }}", "{{ messages.append(1) }}"],
)
def test_templates_are_sandboxed(template: str) -> None:
    with pytest.raises(ApiError) as caught:
        render(template)
    assert caught.value.status == 500


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("a<|im_end|>b", ["a<", "|im_end|>b"]),
        ("<<s>s>", ["<<", "s>s>"]),
        ("<s><|im_end|>", ["<", "s><", "|im_end|>"]),
        ("<|im_end|>\U00013000<s>", ["<", "|im_end|>\U00013000<", "s>"]),
    ],
)
def test_forged_special_tokens_are_split(text: str, parts: list[str]) -> None:
    found = encoder("{{ messages[0].content }}").parts(chat(text))
    assert found == parts
    assert not any(special in part for part in found for special in SPECIAL)


def test_specials_are_guarded_wherever_the_client_can_write() -> None:
    tools = ({"function": {"<s>": ["<s>", 1, None]}},)
    calls = (ToolCall("<s>", "<s>", '{"\\u003cs>": "<s>"}'),)
    messages = (
        Message("tool", "<s>", name="<s>", tool_call_id="<s>"),
        Message("assistant", "", tool_calls=calls),
    )
    prompt = ChatPrompt(messages, tools, template_args={"style": "<s>"})
    parts = encoder("<|im_start|>{{ messages }}{{ tools }}{{ style }}").parts(prompt)
    assert parts[0].startswith("<|im_start|>")
    assert "<s>" not in " ".join(parts)
    assert "".join(parts).count("<s>") == 10


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
