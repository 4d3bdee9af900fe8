"""Tools and thought in Ollama's API: what is asked of the engine, and how calls come."""

from __future__ import annotations

from typing import Any

import pytest

from ovapi.api.ollama.chat import decode
from ovapi.core import ChatPrompt, Delta, Message, Parsing, SamplingParams, TokenLogprob
from tests.api.openai.test_tools import CALLS, FAMILIES, THOUGHT, TOOLS
from tests.language import writers
from tests.support.api import SCHEMAS, Api
from tests.support.languages import HERMES, said, speak
from tests.support.ndjson import ask, refused, stream

HELLO: dict[str, Any] = {"messages": [{"role": "user", "content": "Hello"}]}
JOKE = {"prompt": "Tell me a joke"}


def called(answers: list[dict[str, Any]]) -> list[tuple[str, Any]]:
    """The calls in the lines of an answer, in order."""
    calls = [call for one in answers for call in one["message"].get("tool_calls", ())]
    assert [call["function"]["index"] for call in calls] == list(range(len(calls)))
    assert len({call["id"] for call in calls}) == len(calls)
    return [(call["function"]["name"], call["function"]["arguments"]) for call in calls]


def test_what_is_asked() -> None:
    body = {"model": "demo", **HELLO, "tools": [{"function": {"name": "f", "description": None}}]}
    SCHEMAS.validate("ollama/chat_request", body)
    request = decode(body, SamplingParams())
    empty = {"type": "object", "properties": {}}
    tools = ({"type": "function", "function": {"parameters": empty, "name": "f"}},)
    assert request.prompt == ChatPrompt((Message("user", "Hello"),), tools)
    assert request.parsing == Parsing(tools)


@pytest.mark.parametrize(("language", "write"), FAMILIES)
async def test_calls(api: Api, language: Any, write: writers.Writer) -> None:
    speak(api.engine, language)
    api.engine.scripts += [said(write(CALLS)), said(write(CALLS))]
    answer = await ask(api, "/api/chat", {**HELLO, "tools": TOOLS})
    assert answer["message"]["content"] == ""
    assert answer["done_reason"] == "stop"
    assert called([answer]) == CALLS
    lines = await stream(api, "/api/chat", {**HELLO, "tools": TOOLS})
    assert called(lines) == CALLS
    assert [line["done"] for line in lines] == [False] * (len(lines) - 1) + [True]


@pytest.mark.parametrize(
    ("text", "reason", "shown"),
    [
        ("<tool_call>\nnothing\n</tool_call>", "stop", "<tool_call>\nnothing\n</tool_call>"),
        (
            '<tool_call>\n{"name": "get_time", "arguments": {"a": [1, "b',
            "length",
            '{"name": "get_time", "arguments": {"a": [1, "b',
        ),
        (
            '<tool_call>\n{"name": "get_time", "arguments": {"a": 1e999}}\n</tool_call>',
            "stop",
            '{"name": "get_time", "arguments": {"a": 1e999}',
        ),
        (
            '<tool_call>\n{"name": "get_time", "arguments": {"a": "\\ud800"}}\n</tool_call>',
            "stop",
            '{"name": "get_time", "arguments": {"a": "\\ud800"}',
        ),
    ],
)
async def test_what_is_no_object_is_text(api: Api, text: str, reason: Any, shown: str) -> None:
    speak(api.engine, HERMES)
    api.engine.scripts += [said(text, reason), said(text, reason)]
    answer = await ask(api, "/api/chat", {**HELLO, "tools": TOOLS})
    assert answer["message"] == {"role": "assistant", "content": shown}
    assert answer["done_reason"] == reason
    lines = await stream(api, "/api/chat", {**HELLO, "tools": TOOLS})
    assert "".join(line["message"]["content"] for line in lines) == shown


async def test_a_model_that_knows_no_tools(api: Api) -> None:
    status, message = await refused(api, "/api/chat", {"model": "demo", **HELLO, "tools": TOOLS})
    assert status == 400
    assert "does not support tools" in message


async def test_thought_of_a_chat(api: Api) -> None:
    speak(api.engine, HERMES)
    api.engine.scripts += [said(THOUGHT), said(THOUGHT)]
    answer = await ask(api, "/api/chat", {**HELLO, "think": True})
    thought = {"role": "assistant", "content": "Four.", "thinking": "Hm, 2 and 2."}
    assert answer["message"] == thought
    messages = [line["message"] for line in await stream(api, "/api/chat", HELLO)]
    assert "".join(message["content"] for message in messages) == "Four."
    assert "".join(message.get("thinking", "") for message in messages) == "Hm, 2 and 2."


async def test_thought_of_a_prompt(api: Api) -> None:
    speak(api.engine, HERMES)
    api.engine.scripts += [said(THOUGHT), said(THOUGHT), said(THOUGHT)]
    answer = await ask(api, "/api/generate", JOKE)
    assert (answer["response"], answer["thinking"]) == ("Four.", "Hm, 2 and 2.")
    lines = await stream(api, "/api/generate", JOKE)
    assert "".join(line["response"] for line in lines) == "Four."
    assert "".join(line.get("thinking", "") for line in lines) == "Hm, 2 and 2."
    raw = await ask(api, "/api/generate", {**JOKE, "raw": True})
    assert raw["response"] == THOUGHT
    assert "thinking" not in raw


async def test_the_context_has_all_tokens(api: Api) -> None:
    speak(api.engine, HERMES)
    events = said(THOUGHT)
    api.engine.scripts.append(events)
    answer = await ask(api, "/api/generate", JOKE)
    tokens = [id for event in events if isinstance(event, Delta) for id in event.token_ids]
    assert answer["context"] == [1, 2, 3, *tokens]


async def test_every_token_has_its_log_probability(api: Api) -> None:
    speak(api.engine, HERMES)
    events = [
        Delta(one.text, one.token_ids, (TokenLogprob(one.text, -1.0, one.text.encode()),))
        if isinstance(one, Delta)
        else one
        for one in said(THOUGHT)
    ]
    tokens = [one.text for one in events if isinstance(one, Delta)]
    api.engine.scripts += [events, events]
    answer = await ask(api, "/api/chat", {**HELLO, "logprobs": True})
    assert [one["token"] for one in answer["logprobs"]] == tokens
    lines = await stream(api, "/api/chat", {**HELLO, "logprobs": True})
    assert [one["token"] for line in lines for one in line.get("logprobs", ())] == tokens
