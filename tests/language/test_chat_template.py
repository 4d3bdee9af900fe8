"""Chat templates as Hugging Face writes them: what they are given, and whose fault a failure is."""

from __future__ import annotations

import json
import time

import pytest

from ovapi.core import ChatPrompt, Message, ToolCall
from ovapi.errors import ApiError, InvalidRequest, UnsupportedParameter
from ovapi.language.chat_template import ChatTemplate
from tests.support.driver import chat

TOOL = {"type": "function", "function": {"name": "get_weather", "parameters": {}}}


def render(source: str | None, prompt: ChatPrompt | None = None, **constants: str) -> str:
    template = ChatTemplate(source, constants)
    return template.render(template.variables(prompt or chat("Hi")))


def called(arguments: str, content: str = "", reasoning: str | None = None) -> ChatPrompt:
    """A question, a call of get_weather, and its result, which does not say whose it is."""
    call = ToolCall("call00001", "get_weather", arguments)
    return ChatPrompt(
        (
            Message("user", "Hi"),
            Message("assistant", content, tool_calls=(call,), reasoning=reasoning),
            Message("tool", "5", tool_call_id="call00001"),
        )
    )


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
        ("{{ {'b': 'ä', 'a': 1} | tojson(true, none, ',:', true) }}", '{"a":1,"b":"\\u00e4"}'),
        ("{{ ['ä'] | tojson(ensure_ascii=False, separators=(',', ':')) }}", '["ä"]'),
        ("{{ ('{\"a\": [1]}' | from_json).a[0] }}", "1"),
        ("{{ strftime_now('%Y') }}", time.strftime("%Y")),
        ("{{ messages[0].name is defined }}", "False"),
        ("{% set ns = namespace(n=1) %}{% set ns.n = ns.n + 1 %}{{ ns.n }}{{ 'x' ~ ns.n }}", "2x2"),
        ("{% for k, v in {'a': 1}.items() %}{{ k }}{{ v }}{% endfor %}", "a1"),
        ("{{ '%s-%02d' % ('a', 7) }} {{ '{:>3}|{x}'.format(5, x=6) }}", "a-07   5|6"),
        ("{{ 'a</think>b'.split('</think>')[-1] }}{{ ' x '.strip() }}{{ 'ab'[::-1] }}", "bxba"),
        ("{{ messages | map(attribute='role') | join('+') }}", "user"),
        ("{{ messages | selectattr('role', 'equalto', 'user') | list | length }}", "1"),
        ("{% macro f(x) %}{{ x }}{{ caller() }}{% endmacro %}{% call f(1) %}c{% endcall %}", "1c"),
        ("{{ [[1], [2]] | sum(start=[]) }} {{ [1, 2] | sum }}", "[1, 2] 3"),
        ("{{ 'a\nb' | indent(2) }} {{ 'abc' | replace('b', '') }} {{ '7' | int }}", "a\n  b ac 7"),
    ],
)  # fmt: skip
def test_templates(template: str, text: str) -> None:
    assert render(template, bos_token="<s>") == text


def test_what_a_model_is_trained_on_is_marked_and_in_a_scope_of_its_own() -> None:
    template = (
        "{% set x = 1 %}{% for m in messages %}{% generation %}{% set x = 2 %}{{ m.content }}"
        "{{ x }}{% endgeneration %}{{ x }}{% endfor %}"
    )
    assert render(template) == "Hi21"


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
    "name",
    ["messages", "tools", "documents", "range", "dict", "namespace", "cycler", "joiner", "lipsum",
     "raise_exception", "strftime_now", "pad_token"],
)  # fmt: skip
def test_what_a_request_may_not_set(name: str) -> None:
    prompt = chat("Hi", template_args={"enable_thinking": True, name: "forged"})
    with pytest.raises(InvalidRequest) as caught:
        render("{{ enable_thinking }}", prompt, pad_token="<pad>")
    assert caught.value.param == f"chat_template_kwargs.{name}"


def test_what_a_request_may_set() -> None:
    prompt = chat("Hi", template_args={"enable_thinking": True})
    assert render("{{ enable_thinking }} {{ messages[0].content }}", prompt) == "True Hi"


AS_JSON = "{{ call.function.arguments | tojson }}"
AS_TEXT = "{{ '' + call.function.arguments }}"
AS_IT_IS = "{{ call.function.arguments }}"
BY_ENTRY = "{% for k, v in call.function.arguments.items() %}<{{ k }}={{ v }}>{% endfor %}"
FROM_TEXT = (
    "{% for k, v in (call.function.arguments | from_json) | items %}<{{ k }}={{ v }}>{% endfor %}"
)
EITHER = "{% if call.function.arguments is string %}X{% else %}" + BY_ENTRY + "{% endif %}"
CALLS = "{%% for m in messages %%}{%% for call in m.tool_calls %%}%s{%% endfor %%}{%% endfor %%}"


@pytest.mark.parametrize(
    ("shown", "arguments", "text"),
    [
        (AS_JSON, "mapping", '{"a": [1]}'),
        (AS_TEXT, "text", '{"a": [1]}'),
        (AS_IT_IS, "text", '{"a": [1]}'),
        (BY_ENTRY, "mapping", "<a=[1]>"),
        (FROM_TEXT, "text", "<a=[1]>"),
        (EITHER, "mapping", "<a=[1]>"),
    ],
)
def test_arguments_come_as_the_template_wants_them(shown: str, arguments: str, text: str) -> None:
    assert ChatTemplate(CALLS % shown, {}).traits.arguments == arguments
    assert render(CALLS % shown, called('{"a": [1]}')) == text


@pytest.mark.parametrize("arguments", ["nonsense", "[1]", '{"a": NaN}', "1" * 5000])
def test_arguments_that_are_no_object(arguments: str) -> None:
    assert render(CALLS % AS_TEXT, called(arguments)) == arguments
    assert render(CALLS % AS_JSON, called(arguments)) == json.dumps(arguments)
    with pytest.raises(InvalidRequest, match="JSON object") as caught:
        render(CALLS % BY_ENTRY, called(arguments))
    assert caught.value.param == "messages"


def test_arguments_that_a_template_cannot_read() -> None:
    with pytest.raises(InvalidRequest, match="JSON object"):
        render(CALLS % FROM_TEXT, called("nonsense"))


def test_no_arguments_are_an_empty_object() -> None:
    assert render(CALLS % AS_TEXT, called("")) == render(CALLS % AS_JSON, called("")) == "{}"


@pytest.mark.parametrize("levels", [65, 1000, 100_000])
def test_arguments_nested_without_end(levels: int) -> None:
    for opened, closed in (('{"a":', "}"), ("[", "]")):
        arguments = '{"a":' + opened * levels + "1" + closed * levels + "}"
        with pytest.raises(InvalidRequest, match="levels deep"):
            render(CALLS % AS_JSON, called(arguments))
    with pytest.raises(InvalidRequest, match="levels deep"):
        render(CALLS % FROM_TEXT, called("[" * 100_000))
    assert render(CALLS % AS_JSON, called('{"a":' * 60 + "1" + "}" * 60))


R1 = (
    "{% for m in messages %}{% if m.role == 'assistant' and m.content is none %}"
    "{% for call in m.tool_calls %}{{ call.function.name + call.function.arguments }}{% endfor %}"
    "{% else %}{{ m.content }}{% endif %};{% endfor %}"
)
PLAIN = (
    "{% for m in messages %}{{ m.content }}"
    "{% for call in m.tool_calls %}{{ call.function | tojson }}{% endfor %};{% endfor %}"
)


def test_a_turn_that_only_calls_has_no_content_where_the_template_asks_for_none() -> None:
    assert ChatTemplate(R1, {}).traits.null_content
    assert render(R1, called('{"a": 1}')) == 'Hi;get_weather{"a": 1};5;'
    assert not ChatTemplate(PLAIN, {}).traits.null_content
    assert "None" not in render(PLAIN, called('{"a": 1}'))


@pytest.mark.parametrize("field", ["reasoning_content", "thinking"])
def test_earlier_thoughts_are_given_by_both_names(field: str) -> None:
    template = "{% for m in messages %}{% if m.FIELD %}({{ m.FIELD }}){% endif %}{% endfor %}"
    template = template.replace("FIELD", field)
    assert ChatTemplate(template, {}).traits.reasoning
    assert render(template, called("{}", reasoning="Hm.")) == "(Hm.)"
    assert render(template, called("{}")) == ""
    assert not ChatTemplate(PLAIN, {}).traits.reasoning


def test_a_result_has_the_name_of_its_call() -> None:
    template = "{% for m in messages if m.role == 'tool' %}{{ m.name }}={{ m.content }}{% endfor %}"
    assert render(template, called("{}")) == "get_weather=5"
    named = Message("tool", "6", name="other", tool_call_id="call00001")
    unknown = Message("tool", "7", tool_call_id="lost")
    prompt = ChatPrompt((*called("{}").messages[:2], named, unknown))
    assert render(template, prompt) == "other=6=7"


def test_tools_are_refused_where_the_template_does_not_show_them() -> None:
    prompt = chat("Hi", tools=(TOOL,))
    assert "get_weather" in render("{{ tools | tojson if tools }}", prompt)
    with pytest.raises(UnsupportedParameter, match="tools") as caught:
        render("{{ messages[0].content }}", prompt)
    assert caught.value.param == "tools"


def test_a_template_that_fails_with_tools_has_its_other_traits() -> None:
    traits = ChatTemplate("{% if tools %}{{ 1 / 0 }}{% endif %}" + CALLS % AS_TEXT, {}).traits
    assert (traits.tools, traits.calls, traits.arguments) == (False, True, "text")


@pytest.mark.parametrize(
    ("end", "opens"),
    [
        ("<|im_start|>assistant\n", False),
        ("<|assistant|>", False),
        ("<|im_start|>assistant\n<think>\n", True),
        ("<|im_start|>assistant\n<think>\n\n</think>\n\n", False),
    ],
)
def test_where_the_model_goes_on(end: str, opens: bool) -> None:
    source = "{{ messages[0].content }}{% if add_generation_prompt %}E{% else %}</s>{% endif %}"
    source = source.replace("E", end)
    traits = ChatTemplate(source, {}).traits
    assert traits.generation_prompt == end
    assert traits.opens_thinking is opens


def test_traits_of_a_template_that_never_ends() -> None:
    source = "{% for a in range(99999) %}" * 3 + "{{ a }}" + "{% endfor %}" * 3
    started = time.thread_time()
    assert not ChatTemplate(source, {}).traits.tools
    assert time.thread_time() - started < 3


def test_what_a_template_objects_to_is_the_clients_fault() -> None:
    with pytest.raises(InvalidRequest, match="roles must alternate"):
        render("{{ raise_exception('roles must alternate') }}")
    with pytest.raises(InvalidRequest) as caught:
        render("{{ raise_exception('x' * 100000) }}")
    assert len(caught.value.message) <= 500
    with pytest.raises(InvalidRequest, match="no chat template"):
        render(None)


@pytest.mark.parametrize("template", ["{{ 1 / 0 }}", "{{ a.b.c }}", "{{ messages[0] + 1 }}"])
def test_a_template_that_fails_is_not(template: str) -> None:
    with pytest.raises(ApiError) as caught:
        render(template)
    assert caught.value.status == 500


@pytest.mark.parametrize(
    ("prompt", "param"),
    [
        (chat("Hi", template_args={"budget": "many"}), "chat_template_kwargs"),
        (chat("Hi", tools=({"function": {"name": "f", "parameters": "none"}},)), "tools"),
    ],
)
def test_what_a_client_may_leave_out_is_blamed_first(prompt: ChatPrompt, param: str) -> None:
    source = (
        "{{ (budget | default(1)) + 1 }}"
        "{% for tool in tools or [] %}{{ tool.function.name }}"
        "{% for key in tool.function.parameters.properties %}{{ key }}{% endfor %}"
        "{{ tool.function.parameters.required[0] }}{% endfor %}"
    )
    with pytest.raises(InvalidRequest, match=param) as caught:
        render(source, prompt)
    assert caught.value.param == param


@pytest.mark.parametrize(
    "template",
    [
        "{{ ''.__class__.__mro__[1].__subclasses__() }}",
        "{{ messages.append(1) }}",
        "{{ raise_exception.__globals__.x }}",
        "{{ strftime_now.__globals__.x }}",
        "{{ '{0.__class__.__mro__}'.format('') }}",
        "{{ messages | attr('append') }}{{ (messages | attr('append'))(1) }}",
        "{% set ns = namespace() %}{% set ns.__html__ = range %}",
        "{{ namespace(__html__=range) }}",
        "{{ 'a'.format_map({}) }}",
        "{{ 'a'.encode() }}",
        "{{ dict.mro() }}",
    ],
)
def test_templates_are_sandboxed(template: str) -> None:
    with pytest.raises(ApiError) as caught:
        render(template)
    assert caught.value.status == 500


def conversation(turns: int) -> ChatPrompt:
    messages: list[Message] = []
    for turn in range(turns):
        messages += [Message("user", f"Question {turn}?" * 20), Message("assistant", "Yes. " * 50)]
    return ChatPrompt((*messages, Message("user", "Well?")))


def test_a_long_conversation_is_rendered() -> None:
    """By a template that goes through all messages for each, as the slowest families' do."""
    source = (
        "{% macro text(m) %}{% for one in [m.content] %}{{ one | trim }}{% endfor %}{% endmacro %}"
        "{% set ns = namespace(all='', last=0) %}"
        "{% for m in messages %}{% for n in messages[loop.index0:] %}{% if n.role == 'user' %}"
        "{% set ns.last = loop.index0 %}{% endif %}{% if loop.index > 50 %}{% break %}{% endif %}"
        "{% endfor %}{% set ns.all = ns.all + text(m) %}{% endfor %}{{ ns.all }}"
    )
    prompt = conversation(1000)
    text = render(source, prompt)
    assert len(text) == sum(len(message.content.strip()) for message in prompt.messages)
