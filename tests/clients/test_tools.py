"""Tools and thought with the real model, through the openai and ollama packages."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import ollama
import openai
import pytest

from bench.server_process import DEMO, ServerProcess

WEATHER: Any = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "Tells the weather in a city.",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}},
            "required": ["city"],
        },
    },
}
ASKED: Any = [{"role": "user", "content": "What is the weather in Paris and in Rome?"}]
CITIES = [{"city": "Paris"}, {"city": "Rome"}]
SUM: Any = [{"role": "user", "content": "What is 12 plus 30?"}]


@pytest.fixture
def client(any_server: ServerProcess) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{any_server.url}/v1", api_key="any", max_retries=0) as client:
        yield client


@pytest.fixture
def llama(any_server: ServerProcess) -> Iterator[ollama.Client]:
    with ollama.Client(host=any_server.url) as client:
        yield client


def test_calls_and_their_results(client: openai.OpenAI) -> None:
    answer = client.chat.completions.create(
        model=DEMO, messages=ASKED, tools=[WEATHER], temperature=0
    )
    (choice,) = answer.choices
    assert choice.finish_reason == "tool_calls"
    assert choice.message.content is None
    calls = choice.message.tool_calls
    assert calls is not None
    assert [json.loads(call.function.arguments) for call in calls] == CITIES  # type: ignore[union-attr]
    results: list[Any] = [
        {"role": "tool", "tool_call_id": call.id, "content": text}
        for call, text in zip(calls, ("sunny", "rainy"), strict=True)
    ]
    texts = []
    for order in (results, results[::-1]):
        told = client.chat.completions.create(
            model=DEMO,
            messages=[*ASKED, choice.message.model_dump(exclude_none=True), *order],
            tools=[WEATHER],
            temperature=0,
        )
        assert told.choices[0].finish_reason == "stop"
        texts.append(told.choices[0].message.content)
    assert texts[0] == texts[1], "the order of the results tells nothing"
    assert "sunny" in (texts[0] or "")


def test_streamed_calls(client: openai.OpenAI) -> None:
    with client.chat.completions.stream(
        model=DEMO, messages=ASKED, tools=[WEATHER], temperature=0
    ) as stream:
        kinds = [event.type for event in stream]
        choice = stream.get_final_completion().choices[0]
    assert "tool_calls.function.arguments.delta" in kinds
    assert choice.finish_reason == "tool_calls"
    calls = choice.message.tool_calls
    assert calls is not None
    assert [json.loads(call.function.arguments) for call in calls] == CITIES


def test_one_call_where_one_is_wanted(client: openai.OpenAI) -> None:
    answer = client.chat.completions.create(
        model=DEMO, messages=ASKED, tools=[WEATHER], temperature=0, parallel_tool_calls=False
    )
    (choice,) = answer.choices
    assert choice.finish_reason == "tool_calls"
    assert len(choice.message.tool_calls or ()) == 1


def test_a_call_cannot_be_forced(client: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError, match="cannot force"):
        client.chat.completions.create(
            model=DEMO, messages=ASKED, tools=[WEATHER], tool_choice="required"
        )


def test_reasoning(client: openai.OpenAI) -> None:
    answer = client.chat.completions.create(
        model=DEMO, messages=SUM, temperature=0, reasoning_effort="high"
    )
    message = answer.choices[0].message
    assert message.content == "12 + 30 = 42"
    assert message.reasoning_content  # type: ignore[attr-defined]
    assert answer.usage is not None
    details = answer.usage.completion_tokens_details
    assert details is not None
    assert 0 < (details.reasoning_tokens or 0) < answer.usage.completion_tokens
    plain = client.chat.completions.create(
        model=DEMO, messages=SUM, temperature=0, reasoning_effort="none"
    )
    assert not hasattr(plain.choices[0].message, "reasoning_content")


def test_calls_by_ollama(llama: ollama.Client) -> None:
    whole = llama.chat(model=DEMO, messages=ASKED, tools=[WEATHER], options={"temperature": 0})
    calls = whole.message.tool_calls or ()
    assert [dict(call.function.arguments) for call in calls] == CITIES
    lines = llama.chat(
        model=DEMO, messages=ASKED, tools=[WEATHER], options={"temperature": 0}, stream=True
    )
    streamed = [call for line in lines for call in line.message.tool_calls or ()]
    assert [dict(call.function.arguments) for call in streamed] == CITIES
    results = [{"role": "tool", "tool_name": "get_weather", "content": "sunny"}] * 2
    told = llama.chat(
        model=DEMO,
        messages=[*ASKED, whole.message, *results],
        tools=[WEATHER],
        options={"temperature": 0},
    )
    assert "sunny" in (told.message.content or "")


def test_thought_by_ollama(llama: ollama.Client) -> None:
    greedy = {"temperature": 0}
    chat = llama.chat(model=DEMO, messages=SUM, think=True, options=greedy)
    assert chat.message.thinking
    assert chat.message.content == "12 + 30 = 42"
    answer = llama.generate(model=DEMO, prompt=SUM[0]["content"], think=True, options=greedy)
    assert (answer.thinking, answer.response) == (chat.message.thinking, chat.message.content)
    plain = llama.chat(model=DEMO, messages=SUM, think=False, options=greedy)
    assert plain.message.thinking is None
    assert llama.show(DEMO).capabilities == ["completion", "tools", "thinking"]
