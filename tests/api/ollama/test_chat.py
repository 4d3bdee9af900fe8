"""/api/chat: the conversation and the answer in lines or whole."""

from __future__ import annotations

from typing import Any

import pytest

from ovapi.api.ollama.chat import messages
from ovapi.core import ChatPrompt, Message, ToolCall
from tests.support.api import SCHEMAS, Api
from tests.support.fake_engine import script
from tests.support.ndjson import ask, refused, stream

PATH = "/api/chat"
HELLO: dict[str, Any] = {"messages": [{"role": "user", "content": "Hello"}]}


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"role": "user", "content": "Hi"}, Message("user", "Hi")),
        ({"role": "system", "content": "Hi"}, Message("system", "Hi")),
        ({"role": "user", "content": "Hi", "images": []}, Message("user", "Hi")),
        (
            {"role": "assistant", "content": "Hi", "thinking": "…"},
            Message("assistant", "Hi", reasoning="…"),
        ),
        ({"role": "assistant"}, Message("assistant", "")),
        (
            {
                "role": "assistant",
                "content": None,
                "tool_calls": [{"function": {"name": "f", "arguments": {"x": "é"}}}],
            },
            Message("assistant", "", tool_calls=(ToolCall("", "f", '{"x": "é"}'),)),
        ),
        (
            {"role": "tool", "content": "22", "tool_name": "f", "tool_call_id": "1"},
            Message("tool", "22", name="f", tool_call_id="1"),
        ),
    ],
)
def test_messages(given: dict[str, Any], expected: Message) -> None:
    body = {"model": "demo", "messages": [given]}
    SCHEMAS.validate("ollama/chat_request", body)
    assert messages(body) == (expected,)


async def test_a_whole_answer(api: Api) -> None:
    api.engine.scripts.append(script("Hi", " there"))
    answer = await ask(api, PATH, HELLO)
    assert answer["message"] == {"role": "assistant", "content": "Hi there"}
    assert answer["done_reason"] == "stop"
    assert (answer["prompt_eval_count"], answer["eval_count"]) == (7, 2)
    assert "context" not in answer
    assert api.engine.requests[0].prompt == ChatPrompt((Message("user", "Hello"),))


async def test_a_stream(api: Api) -> None:
    api.engine.scripts.append(script("Hi", " there"))
    lines = await stream(api, PATH, HELLO)
    assert [line["message"]["content"] for line in lines] == ["Hi", " there", ""]
    assert [line["done"] for line in lines] == [False, False, True]
    assert lines[-1]["eval_duration"] >= 1


async def test_options_and_thinking(api: Api) -> None:
    api.engine.scripts.append(script("Hi"))
    await ask(api, PATH, {**HELLO, "options": {"seed": 5, "num_predict": 9}, "think": False})
    (request,) = api.engine.requests
    assert (request.sampling.seed, request.sampling.max_tokens) == (5, 9)
    assert not request.sampling.max_tokens_explicit
    assert request.prompt.template_args == {"enable_thinking": False, "thinking": False}  # type: ignore[union-attr]


@pytest.mark.parametrize("body", [{}, {"messages": []}, {"messages": None, "keep_alive": "5m"}])
async def test_without_messages_there_is_only_the_model(api: Api, body: dict[str, Any]) -> None:
    answer = await ask(api, PATH, body)
    assert answer["message"] == {"role": "assistant", "content": ""}
    assert (answer["done"], answer["done_reason"]) == (True, "load")
    assert not api.engine.requests


@pytest.mark.parametrize(
    ("param", "body"),
    [
        ("messages[0].role", {"messages": [{"content": "Hello"}]}),
        ("messages[0].role", {"messages": [{"role": "robot", "content": "Hello"}]}),
        ("messages[0].content", {"messages": [{"role": "user", "content": []}]}),
        ("messages[0].images", {"messages": [{"role": "user", "images": ["aGk="]}]}),
        ("format", {**HELLO, "format": {"type": "object"}}),
        ("prompt", {**HELLO, "prompt": "Hello"}),
    ],
)
async def test_a_refusal_names_the_parameter(api: Api, param: str, body: dict[str, Any]) -> None:
    status, message = await refused(api, PATH, {"model": "demo", **body})
    assert status == 400
    assert param in message


async def test_empty_tools_are_none(api: Api) -> None:
    api.engine.scripts.append(script("Hi"))
    await ask(api, PATH, {**HELLO, "tools": [], "format": ""})


async def test_an_unknown_model(api: Api) -> None:
    assert await refused(api, PATH, {"model": "x", **HELLO}) == (404, "model 'x' not found")
