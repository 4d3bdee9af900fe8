"""Tools in chat completions: what is asked of the engine, and how calls come to the client."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import hypothesis
import pytest
from hypothesis import strategies as st

from ovapi.api.openai.chat import decode
from ovapi.core import Accepted, ChatPrompt, Delta, Parsing, SamplingParams, TokenLogprob, ToolCall
from ovapi.errors import InvalidRequest
from ovapi.language.model_language import ModelLanguage
from soak.client.bodies import CHAT, chat
from tests.api.openai.test_streaming import stream
from tests.language import writers
from tests.support.api import SCHEMAS, Api, until
from tests.support.languages import HARMONY, HERMES, KIMI, MISTRAL, QWEN_CODER, said, speak

WEATHER: dict[str, Any] = {
    "name": "get_weather",
    "description": "Tells the weather.",
    "parameters": {
        "type": "object",
        "properties": {"city": {"type": "string"}, "days": {"type": "integer"}},
        "required": ["city"],
    },
}
TIME: dict[str, Any] = {"name": "get_time"}
TOOLS = [{"type": "function", "function": WEATHER}, {"type": "function", "function": TIME}]
GIVEN = {"city": 'Zürich "West" <b>', "days": 3}
CALLS = [("get_weather", GIVEN), ("get_time", {})]
FAMILIES: list[tuple[ModelLanguage, writers.Writer]] = [
    (HERMES, writers.hermes),
    (QWEN_CODER, writers.qwen3_coder),
    (KIMI, writers.kimi),
]


def requests(**parameters: Any) -> Any:
    body = chat(**parameters)
    SCHEMAS.validate("openai/chat_request", body)
    return decode(body, SamplingParams(), "chatcmpl-1").requests


async def whole(api: Api, **parameters: Any) -> dict[str, Any]:
    async with api.client() as client:
        response = await client.post(CHAT, json=chat(**parameters))
    assert response.status_code == 200, response.text
    SCHEMAS.validate("openai/chat_response", response.json())
    choice: dict[str, Any] = response.json()["choices"][0]
    return choice


async def refusal(api: Api, **parameters: Any) -> dict[str, Any]:
    async with api.client() as client:
        response = await client.post(CHAT, json=chat(**parameters))
    assert response.status_code == 400
    error: dict[str, Any] = response.json()["error"]
    return error


def functions(message: dict[str, Any]) -> list[tuple[str, Any]]:
    return [
        (call["function"]["name"], json.loads(call["function"]["arguments"]))
        for call in message["tool_calls"]
    ]


# --- what is asked ---


def test_the_template_gets_the_tools_as_they_came_without_nulls() -> None:
    tools = [{"type": "function", "function": {**WEATHER, "strict": None}}, TOOLS[1]]
    (request,) = requests(tools=tools)
    empty = {"name": "get_time", "parameters": {"type": "object", "properties": {}}}
    assert list(request.prompt.tools) == [TOOLS[0], {"type": "function", "function": empty}]
    assert request.parsing == Parsing(request.prompt.tools)


def test_without_a_choice_of_tools_the_template_gets_none() -> None:
    (request,) = requests(tools=TOOLS, tool_choice="none")
    assert request.prompt.tools == () == request.parsing.tools


@pytest.mark.parametrize(
    "listed", [{"type": "function", "function": {"name": "get_time"}}, {"name": "get_time"}]
)
def test_allowed_tools_are_those_that_are_offered(listed: dict[str, Any]) -> None:
    inner = {"mode": "auto", "tools": [listed]}
    choice = {"type": "allowed_tools", "allowed_tools": inner}
    (request,) = requests(tools=TOOLS, tool_choice=choice)
    assert [tool["function"]["name"] for tool in request.prompt.tools] == ["get_time"]
    assert request.parsing.tools == request.prompt.tools


@pytest.mark.parametrize(
    ("given", "param"),
    [
        ({"tools": TOOLS, "tool_choice": "required"}, "tool_choice"),
        (
            {
                "tools": TOOLS,
                "tool_choice": {"type": "function", "function": {"name": "get_time"}},
            },
            "tool_choice",
        ),
        (
            {
                "tools": TOOLS,
                "tool_choice": {
                    "type": "allowed_tools",
                    "allowed_tools": {"mode": "required", "tools": TOOLS},
                },
            },
            "tool_choice",
        ),
        ({"tool_choice": "required"}, "tool_choice"),
        ({"functions": [TIME], "function_call": {"name": "get_time"}}, "function_call"),
    ],
)
def test_what_would_force_a_call_is_refused(given: dict[str, Any], param: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        requests(**given)
    assert (caught.value.param, caught.value.code) == (param, "unsupported_value")
    assert "cannot force" in caught.value.message


@pytest.mark.parametrize(
    ("given", "param"),
    [
        ({"tools": TOOLS, "tool_choice": "always"}, "tool_choice"),
        ({"tools": TOOLS, "tool_choice": {"type": "custom"}}, "tool_choice"),
        (
            {
                "tools": TOOLS,
                "tool_choice": {
                    "type": "allowed_tools",
                    "allowed_tools": {"mode": "auto", "tools": [{"name": "other"}]},
                },
            },
            "tool_choice",
        ),
        ({"tools": TOOLS, "functions": [TIME]}, "functions"),
        ({"tools": [TOOLS[1], TOOLS[1]]}, "tools[1].function.name"),
    ],
)
def test_what_makes_no_sense_is_refused(given: dict[str, Any], param: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        requests(**given)
    assert (caught.value.param, caught.value.code) == (param, "invalid_value" if param else None)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["type", "allowed_tools", "mode", "tools", "name", "function"]),
            inner | st.sampled_from(["allowed_tools", "auto", "required", "function", "get_time"]),
            max_size=4,
        )
    ),
    max_leaves=12,
)


@hypothesis.given(JSON, st.sampled_from(["tool_choice", "function_call"]), st.booleans())
def test_whatever_a_choice_is_it_is_taken_or_refused(choice: Any, name: str, legacy: bool) -> None:
    offered = {"functions": [TIME]} if legacy else {"tools": TOOLS}
    body = chat(**offered, **{name: choice})
    try:
        SCHEMAS.validate("openai/chat_request", body)
        decode(body, SamplingParams(), "chatcmpl-1")
    except InvalidRequest as error:
        assert error.param == name  # noqa: PT017 it need not be raised


@pytest.mark.parametrize("name", ["", "a b", "f\n", "f" * 129, "f<|im_end|>"])
async def test_names_that_are_none(api: Api, name: str) -> None:
    error = await refusal(api, tools=[{"type": "function", "function": {"name": name}}])
    assert error["param"] == "tools[0].function.name"


async def test_what_the_engine_cannot_enforce_is_refused(api: Api) -> None:
    tools = [{"type": "function", "function": {**TIME, "strict": True}}]
    error = await refusal(api, tools=tools)
    assert (error["param"], error["code"]) == ("tools[0].function.strict", "unsupported_value")


async def test_a_model_that_knows_no_tools_gets_none(api: Api) -> None:
    for language in (None, ModelLanguage()):
        speak(api.engine, language)
        error = await refusal(api, tools=TOOLS)
        assert (error["param"], error["code"]) == ("tools", "unsupported_parameter")
    assert api.engine.requests == []


async def test_a_model_whose_calls_cannot_be_read_gets_no_tools(api: Api) -> None:
    speak(api.engine, ModelLanguage(knows_tools=True))
    error = await refusal(api, tools=TOOLS)
    assert error["param"] == "tools"
    assert "tool_format" in error["message"]


async def test_the_engine_gives_the_markers_where_calls_may_come(api: Api) -> None:
    speak(api.engine, HERMES)
    for given in ({}, {"tools": TOOLS}):
        api.engine.scripts.append(said("Hi"))
        await whole(api, **given)
    plain, offered = api.engine.requests
    assert plain.sampling.skip_special_tokens
    assert not offered.sampling.skip_special_tokens
    assert plain.parsing is None is offered.parsing


# --- how calls come ---


@pytest.mark.parametrize(("language", "write"), FAMILIES)
async def test_calls(api: Api, language: ModelLanguage, write: writers.Writer) -> None:
    speak(api.engine, language)
    api.engine.scripts.append(said(write(CALLS)))
    choice = await whole(api, tools=TOOLS)
    message = choice["message"]
    assert choice["finish_reason"] == "tool_calls"
    assert message["content"] is None
    assert functions(message) == CALLS
    assert len({call["id"] for call in message["tool_calls"]}) == 2


@pytest.mark.parametrize(("language", "write"), FAMILIES)
async def test_streamed_calls(api: Api, language: ModelLanguage, write: writers.Writer) -> None:
    speak(api.engine, language)
    api.engine.scripts.append(said("I look.\n" + write(CALLS)))
    chunks = await stream(api, chat(tools=TOOLS, stream=True))
    deltas = [chunk["choices"][0]["delta"] for chunk in chunks]
    assert "".join(delta.get("content") or "" for delta in deltas).strip() == "I look."
    arguments = {0: "", 1: ""}
    names, ids = [], set()
    for fragment in (call for delta in deltas for call in delta.get("tool_calls", ())):
        if "id" in fragment:
            assert fragment["type"] == "function"
            assert fragment["function"]["arguments"] == ""
            names.append(fragment["function"]["name"])
            ids.add(fragment["id"])
        else:
            arguments[fragment["index"]] += fragment["function"]["arguments"]
    assert list(zip(names, map(json.loads, arguments.values()), strict=True)) == CALLS
    assert len(ids) == 2
    assert chunks[-1]["choices"][0]["finish_reason"] == "tool_calls"


async def test_markers_that_are_special_tokens_never_show(api: Api) -> None:
    speak(api.engine, KIMI)
    api.engine.scripts.append(said("One<|im_end|> two<|tool_call_end|>"))
    choice = await whole(api, tools=TOOLS)
    assert choice["message"]["content"] == "One two"
    assert choice["finish_reason"] == "stop"


async def test_special_tokens_show_where_they_are_asked_for(api: Api) -> None:
    speak(api.engine, KIMI)
    api.engine.scripts.append(said("One<|im_end|>"))
    choice = await whole(api, tools=TOOLS, skip_special_tokens=False)
    assert choice["message"]["content"] == "One<|im_end|>"


@pytest.mark.parametrize(
    "text",
    [
        '<tool_call>\n{"name": "get_wea',
        "<tool_call>\nnothing\n</tool_call>",
        '<tool_call>\n{"name": "other", "arguments": {"a": 1}}\n</tool_call>',
    ],
)
async def test_what_is_no_call_is_text(api: Api, text: str) -> None:
    speak(api.engine, HERMES)
    api.engine.scripts.append(said(text))
    choice = await whole(api, tools=TOOLS)
    assert choice["message"] == {"role": "assistant", "content": text, "refusal": None}
    assert choice["finish_reason"] == "stop"


async def test_without_tools_a_call_is_text(api: Api) -> None:
    speak(api.engine, HERMES)
    text = writers.hermes(CALLS)
    for given in ({}, {"tools": TOOLS, "tool_choice": "none"}):
        api.engine.scripts.append(said(text))
        choice = await whole(api, **given)
        assert choice["message"]["content"] == text


async def test_a_call_that_is_cut_short_ends_for_its_length(api: Api) -> None:
    speak(api.engine, HERMES)
    text = '<tool_call>\n{"name": "get_weather", "arguments": {"city": "Zü'
    api.engine.scripts.append(said(text, reason="length"))
    choice = await whole(api, tools=TOOLS)
    (call,) = choice["message"]["tool_calls"]
    assert choice["finish_reason"] == "length"
    assert call["function"] == {"name": "get_weather", "arguments": '{"city": "Zü'}


async def test_without_parallel_calls_the_first_is_the_last(api: Api) -> None:
    speak(api.engine, HERMES)
    body = chat(tools=TOOLS, parallel_tool_calls=False, stream=True)
    events = said(writers.hermes(CALLS))
    async with api.client() as client:
        answer = asyncio.create_task(client.post(CHAT, json=body))
        await until(lambda: api.engine.sinks)
        ((id, sink),) = api.engine.sinks.items()
        for event in events[:-1]:  # the engine has not finished
            sink(event)
        text = (await answer).text
    assert api.engine.cancelled == [id]
    assert api.model.in_flight == 0
    assert text.endswith("data: [DONE]\n\n")
    chunks = [json.loads(line[6:]) for line in text.split("\n\n")[:-2]]
    calls = [c for chunk in chunks for c in chunk["choices"][0]["delta"].get("tool_calls", ())]
    assert {call["index"] for call in calls} == {0}
    assert chunks[-1]["choices"][0]["finish_reason"] == "tool_calls"


async def test_each_choice_has_its_own_calls(api: Api) -> None:
    speak(api.engine, HERMES)
    api.engine.scripts += [said(writers.hermes(CALLS)), said("Hello.")]
    async with api.client() as client:
        response = await client.post(CHAT, json=chat(tools=TOOLS, n=2))
    first, second = response.json()["choices"]
    assert functions(first["message"]) == CALLS
    assert second["message"]["content"] == "Hello."
    assert [first["finish_reason"], second["finish_reason"]] == ["tool_calls", "stop"]


async def test_every_token_has_its_log_probability(api: Api) -> None:
    speak(api.engine, HERMES)
    events = [
        Delta(one.text, one.token_ids, (TokenLogprob(one.text, -1.0, one.text.encode()),))
        if isinstance(one, Delta)
        else one
        for one in said(writers.hermes(CALLS))
    ]
    tokens = [one.text for one in events if isinstance(one, Delta)]
    for streamed in (False, True):
        api.engine.scripts.append(events)
        if streamed:
            chunks = await stream(api, chat(tools=TOOLS, logprobs=True, stream=True))
            choices = [chunk["choices"][0] for chunk in chunks]
        else:
            choices = [await whole(api, tools=TOOLS, logprobs=True)]
        shown = [one for choice in choices for one in (choice["logprobs"] or {}).get("content", ())]
        assert [one["token"] for one in shown] == tokens


# --- the older form ---


async def test_functions(api: Api) -> None:
    speak(api.engine, HERMES)
    api.engine.scripts.append(said(writers.hermes(CALLS)))
    choice = await whole(api, functions=[WEATHER, TIME])
    call = choice["message"]["function_call"]
    assert (call["name"], json.loads(call["arguments"])) == CALLS[0]
    assert "tool_calls" not in choice["message"]
    assert choice["finish_reason"] == "function_call"


async def test_streamed_functions(api: Api) -> None:
    speak(api.engine, HERMES)
    api.engine.scripts.append(said(writers.hermes(CALLS)))
    chunks = await stream(api, chat(functions=[WEATHER, TIME], stream=True))
    calls = [
        delta["function_call"]
        for chunk in chunks
        if "function_call" in (delta := chunk["choices"][0]["delta"])
    ]
    assert calls[0] == {"name": "get_weather", "arguments": ""}
    assert json.loads("".join(call["arguments"] for call in calls)) == GIVEN
    assert chunks[-1]["choices"][0]["finish_reason"] == "function_call"


def test_the_older_form_in_the_conversation() -> None:
    turns = [
        {"role": "user", "content": "Time?"},
        {"role": "assistant", "content": None, "function_call": {"name": "t", "arguments": "{}"}},
        {"role": "function", "name": "t", "content": "12:00"},
    ]
    (request,) = requests(messages=turns)
    assert isinstance(request.prompt, ChatPrompt)
    _, asked, told = request.prompt.messages
    assert asked.tool_calls == (ToolCall("", "t", "{}"),)
    assert (told.role, told.name, told.content) == ("tool", "t", "12:00")


# --- reasoning ---


THOUGHT = "<think>\nHm, 2 and 2.\n</think>\n\nFour."


async def test_reasoning(api: Api) -> None:
    speak(api.engine, HERMES)
    api.engine.scripts.append(said(THOUGHT, size=1))
    async with api.client() as client:
        response = await client.post(CHAT, json=chat())
    answer = response.json()
    SCHEMAS.validate("openai/chat_response", answer)
    message = answer["choices"][0]["message"]
    assert message["content"] == "Four."
    assert message["reasoning_content"] == message["reasoning"] == "Hm, 2 and 2."
    assert answer["choices"][0]["finish_reason"] == "stop"
    thought = answer["usage"]["completion_tokens_details"]["reasoning_tokens"]
    assert len("Hm, 2 and 2.") <= thought < len(THOUGHT) - len("Four.")


async def test_streamed_reasoning(api: Api) -> None:
    speak(api.engine, HERMES)
    api.engine.scripts.append(said(THOUGHT))
    chunks = await stream(api, chat(stream=True))
    deltas = [chunk["choices"][0]["delta"] for chunk in chunks]
    assert "".join(delta.get("content", "") for delta in deltas) == "Four."
    for field in ("reasoning_content", "reasoning"):
        assert "".join(delta.get(field, "") for delta in deltas) == "Hm, 2 and 2."


async def test_hidden_reasoning(api: Api) -> None:
    speak(api.engine, HERMES)
    api.engine.scripts += [said(THOUGHT), said(THOUGHT)]
    choice = await whole(api, include_reasoning=False)
    assert choice["message"] == {"role": "assistant", "content": "Four.", "refusal": None}
    chunks = await stream(api, chat(stream=True, include_reasoning=False))
    assert "Hm" not in json.dumps(chunks)


async def test_a_comment_while_hidden_reasoning_goes_on(api: Api) -> None:
    speak(api.engine, HERMES)
    api.keep_alive_every(0.1)
    body = chat(stream=True, include_reasoning=False)
    async with api.client() as client:
        answer = asyncio.create_task(client.post(CHAT, json=body))
        await until(lambda: api.engine.sinks)
        (sink,) = api.engine.sinks.values()
        accepted, *rest = said("<think>" + "Hm. " * 60 + "</think>Four.")
        sink(accepted)
        for event in rest:
            sink(event)
            await asyncio.sleep(0.01)
        text = (await answer).text
    assert "Hm" not in text
    assert text.count(": keep-alive") >= 3


async def test_reasoning_that_the_prompt_has_begun(api: Api) -> None:
    speak(api.engine, HERMES)
    api.engine.scripts.append(said("Hm.</think>Four.", prompt_end="assistant\n<think>\n"))
    message = (await whole(api))["message"]
    assert (message["reasoning"], message["content"]) == ("Hm.", "Four.")
    assert api.engine.requests[0].tells_prompt_end


async def test_channels(api: Api) -> None:
    speak(api.engine, HARMONY)
    thought = "<|channel|>analysis<|message|>Hm.<|end|><|start|>assistant"
    final = "<|channel|>final<|message|>Four.<|return|>"
    api.engine.scripts += [said(thought + final), said(thought + writers.harmony(CALLS[:1]))]
    message = (await whole(api))["message"]
    assert (message["reasoning"], message["content"]) == ("Hm.", "Four.")
    choice = await whole(api, tools=TOOLS)
    assert functions(choice["message"]) == CALLS[:1]
    assert choice["message"]["reasoning"] == "Hm."


async def test_reasoning_in_special_tokens(api: Api) -> None:
    speak(api.engine, MISTRAL)
    api.engine.scripts.append(said("[THINK]Hm.[/THINK]Four.</s>"))
    message = (await whole(api))["message"]
    assert (message["reasoning"], message["content"]) == ("Hm.", "Four.")
    assert not api.engine.requests[0].sampling.skip_special_tokens


def test_reasoning_of_the_conversation() -> None:
    def reasoning(**fields: Any) -> str | None:
        turns = [{"role": "assistant", "content": "4", **fields}]
        (request,) = requests(messages=turns)
        found: str | None = request.prompt.messages[0].reasoning
        return found

    assert reasoning() is None
    assert reasoning(reasoning="Hm") == reasoning(reasoning_content="Hm") == "Hm"
    assert reasoning(reasoning="Hm", reasoning_content="Hm") == "Hm"
    with pytest.raises(InvalidRequest):
        reasoning(reasoning="Hm", reasoning_content="Ah")


async def test_the_deadline_gives_what_was_held_back(api: Api) -> None:
    speak(api.engine, HERMES)
    api.engine.scripts.append([Accepted(7), Delta("<tool_", (1,))])
    choice = await whole(api, tools=TOOLS, timeout=0.2)
    assert choice["message"]["content"] == "<tool_"
    assert choice["finish_reason"] == "length"
