"""Chat completions: what a body asks of the engine, and what an answer looks like."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from ovapi.api.openai.chat import decode
from ovapi.core import (
    Accepted,
    BeamSearch,
    ChatPrompt,
    Delta,
    Failed,
    Finished,
    Message,
    SamplingParams,
    TokenLogprob,
    ToolCall,
    Usage,
)
from ovapi.engine.base import EngineState
from ovapi.errors import EngineFailed
from soak.client.bodies import CHAT, chat
from tests.support.api import SCHEMAS, Api, until
from tests.support.fake_engine import script

DEFAULTS = SamplingParams()


def sampling(**parameters: Any) -> SamplingParams:
    body = chat(**parameters)
    SCHEMAS.validate("openai/chat_request", body)
    return decode(body, DEFAULTS, "chatcmpl-1").requests[0].sampling


def message(**fields: Any) -> Message:
    body = {"messages": [fields]}
    SCHEMAS.validate("openai/chat_request", body)
    (request,) = decode(body, DEFAULTS, "chatcmpl-1").requests
    return request.prompt.messages[0]  # type: ignore[union-attr]


def test_the_defaults_are_those_of_the_model() -> None:
    assert sampling() == SamplingParams(
        max_tokens=900, temperature=0.7, top_p=1.0, presence_penalty=0, frequency_penalty=0
    )
    own = replace(DEFAULTS, temperature=0.1, stop=("x",), max_tokens=None)
    assert decode(chat(), own, "c").requests[0].sampling == own


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"temperature": 0}, {"temperature": 0}),
        ({"top_p": 0.5}, {"top_p": 0.5}),
        ({"top_k": 5}, {"top_k": 5}),
        ({"top_k": -1}, {"top_k": 0}),
        ({"min_p": 0.1}, {"min_p": 0.1}),
        ({"repetition_penalty": 1.1}, {"repetition_penalty": 1.1}),
        ({"presence_penalty": -2}, {"presence_penalty": -2}),
        ({"frequency_penalty": 2}, {"frequency_penalty": 2}),
        ({"max_tokens": 5}, {"max_tokens": 5, "max_tokens_explicit": True}),
        ({"max_completion_tokens": 5}, {"max_tokens": 5, "max_tokens_explicit": True}),
        (
            {"max_tokens": 5, "max_completion_tokens": 5},
            {"max_tokens": 5, "max_tokens_explicit": True},
        ),
        ({"min_tokens": 5}, {"min_tokens": 5}),
        ({"seed": 0}, {"seed": 0}),
        ({"stop": "a"}, {"stop": ("a",)}),
        ({"stop": ["a", "b"]}, {"stop": ("a", "b")}),
        ({"stop": []}, {"stop": ()}),
        ({"stop_token_ids": [1, 2]}, {"stop_token_ids": (1, 2)}),
        ({"include_stop_str_in_output": True}, {"include_stop": True}),
        ({"ignore_eos": True}, {"ignore_eos": True}),
        ({"skip_special_tokens": False}, {"skip_special_tokens": False}),
        ({"logprobs": True}, {"logprobs": True}),
        ({"logprobs": True, "top_logprobs": 0}, {"logprobs": True}),
        ({"best_of": 4}, {"beams": BeamSearch(4)}),
        ({"use_beam_search": True}, {"beams": BeamSearch(4)}),
        ({"use_beam_search": True, "n": 6}, {"beams": BeamSearch(6, 6)}),
        (
            {"best_of": 6, "n": 2, "num_beam_groups": 3, "diversity_penalty": 0.5},
            {"beams": BeamSearch(6, 2, 3, 0.5)},
        ),
        (
            {"best_of": 2, "length_penalty": 2, "early_stopping": "never"},
            {"beams": BeamSearch(2, length_penalty=2, early_stopping="never")},
        ),
        (
            {"best_of": 2, "no_repeat_ngram_size": 3},
            {"beams": BeamSearch(2, no_repeat_ngram_size=3)},
        ),
    ],
)
def test_a_parameter_reaches_the_engine(given: dict[str, Any], expected: dict[str, Any]) -> None:
    assert sampling(**given) == replace(DEFAULTS, **expected)


@pytest.mark.parametrize(
    "given",
    [
        {name: None for name in SCHEMAS["openai/chat_request"]["properties"] if name != "messages"},
        {"user": "u", "metadata": {"a": "b"}, "store": True, "service_tier": "auto"},
        {"response_format": {"type": "text"}, "logit_bias": {}, "tools": [], "tool_choice": "none"},
        {"best_of": 1, "length_penalty": 1, "early_stopping": False, "num_beam_groups": 1},
        {"modalities": ["text"], "prompt_cache_key": "x", "safety_identifier": "y"},
    ],
)
def test_parameters_without_effect(given: dict[str, Any]) -> None:
    assert sampling(**given) == DEFAULTS


@pytest.mark.parametrize(
    ("given", "variables"),
    [
        ({}, {}),
        (
            {"reasoning_effort": "low"},
            {"reasoning_effort": "low", "enable_thinking": True, "thinking": True},
        ),
        (
            {"reasoning_effort": "none"},
            {"reasoning_effort": "none", "enable_thinking": False, "thinking": False},
        ),
        (
            {"reasoning_effort": "none", "chat_template_kwargs": {"enable_thinking": True, "x": 1}},
            {"reasoning_effort": "none", "enable_thinking": True, "thinking": False, "x": 1},
        ),
    ],
)
def test_the_effort_is_the_templates(given: dict[str, Any], variables: dict[str, Any]) -> None:
    SCHEMAS.validate("openai/chat_request", chat(**given))
    (request,) = decode(chat(**given), DEFAULTS, "c").requests
    assert isinstance(request.prompt, ChatPrompt)
    assert request.prompt.template_args == variables


def test_penalties_of_the_configuration_do_not_apply_to_beams() -> None:
    own = replace(DEFAULTS, repetition_penalty=1.2, presence_penalty=1.0)
    params = decode(chat(best_of=2), own, "c").requests[0].sampling
    assert (params.repetition_penalty, params.presence_penalty) == (1.0, 0.0)


def test_choices_are_requests_with_seeds_of_their_own() -> None:
    call = decode(chat(n=3, seed=2**63 - 2), DEFAULTS, "c")
    assert [one.id for one in call.requests] == ["c-0", "c-1", "c-2"]
    assert [one.sampling.seed for one in call.requests] == [2**63 - 2, 2**63 - 1, 0]
    assert {one.sampling.seed for one in decode(chat(n=3), DEFAULTS, "c").requests} == {None}


def test_beams_are_one_request() -> None:
    call = decode(chat(n=3, best_of=4), DEFAULTS, "c")
    assert len(call.requests) == 1
    assert call.choices == 3


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"role": "user", "content": "Hi"}, Message("user", "Hi")),
        ({"role": "user", "content": ""}, Message("user", "")),
        ({"role": "developer", "content": "Hi"}, Message("system", "Hi")),
        ({"role": "user", "content": "Hi", "name": "Ann"}, Message("user", "Hi", "Ann")),
        (
            {
                "role": "user",
                "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}],
            },
            Message("user", "ab"),
        ),
        (
            {"role": "tool", "content": "22", "tool_call_id": "1"},
            Message("tool", "22", tool_call_id="1"),
        ),
        (
            {
                "role": "assistant",
                "content": None,
                "tool_calls": [
                    {
                        "id": "1",
                        "type": "function",
                        "function": {"name": "f", "arguments": "{}"},
                    }
                ],
            },
            Message("assistant", "", tool_calls=(ToolCall("1", "f", "{}"),)),
        ),
        (
            {"role": "assistant", "content": "Hi", "refusal": None, "annotations": []},
            Message("assistant", "Hi"),
        ),
    ],
)
def test_messages(fields: dict[str, Any], expected: Message) -> None:
    assert message(**fields) == expected


def test_template_arguments_and_truncation() -> None:
    body = chat(chat_template_kwargs={"enable_thinking": True}, truncate_prompt_tokens=5)
    (request,) = decode(body, DEFAULTS, "c").requests
    assert request.prompt.template_args == {"enable_thinking": True}  # type: ignore[union-attr]
    assert request.truncate_prompt_tokens == 5


async def ask(api: Api, body: dict[str, Any]) -> dict[str, Any]:
    async with api.client() as client:
        response = await client.post(CHAT, json=body)
    assert response.status_code == 200
    SCHEMAS.validate("openai/chat_response", response.json())
    answer: dict[str, Any] = response.json()
    return answer


async def test_a_whole_answer(api: Api) -> None:
    api.engine.scripts.append(script("Hello", " 😀", reason="length"))
    answer = await ask(api, chat(model="gpt-4o"))
    assert answer["model"] == "demo"
    assert answer["choices"] == [
        {
            "index": 0,
            "message": {"role": "assistant", "content": "Hello 😀", "refusal": None},
            "logprobs": None,
            "finish_reason": "length",
        }
    ]
    assert answer["usage"]["total_tokens"] == 9
    assert api.app.active == 0
    assert api.model.in_flight == 0


async def test_several_choices(api: Api) -> None:
    api.engine.scripts += [script("a"), script("b", "c"), script("d")]
    answer = await ask(api, chat(n=3))
    assert [one["message"]["content"] for one in answer["choices"]] == ["a", "bc", "d"]
    assert answer["usage"]["prompt_tokens"] == 7
    assert answer["usage"]["completion_tokens"] == 4


async def test_beams(api: Api) -> None:
    usage = Usage(7, 1)
    results = [Delta("a"), Delta("b", index=1), Finished("stop", usage), Finished("stop", usage, 1)]
    api.engine.scripts.append([Accepted(7), *results])
    answer = await ask(api, chat(n=2, best_of=4))
    assert [one["message"]["content"] for one in answer["choices"]] == ["a", "b"]
    assert answer["usage"] == {"prompt_tokens": 7, "completion_tokens": 2, "total_tokens": 9}


async def test_logprobs(api: Api) -> None:
    tokens = (TokenLogprob("H", -0.25, b"H"), TokenLogprob("i", float("-inf"), b"i"))
    events = [Accepted(7), Delta("Hi", (1, 2), tokens), Finished("stop", Usage(7, 2))]
    api.engine.scripts += [events, events]
    answer = await ask(api, chat(logprobs=True))
    assert answer["choices"][0]["logprobs"]["content"] == [
        {"token": "H", "logprob": -0.25, "bytes": [72], "top_logprobs": []},
        {"token": "i", "logprob": -9999.0, "bytes": [105], "top_logprobs": []},
    ]
    assert (await ask(api, chat()))["choices"][0]["logprobs"] is None


async def test_an_engine_that_fails_in_the_middle(api: Api) -> None:
    events = [Accepted(7), Delta("Hi"), Failed(EngineFailed("It broke."))]
    api.engine.scripts.append(events)
    async with api.client() as client:
        response = await client.post(CHAT, json=chat())
    assert response.status_code == 500
    SCHEMAS.validate("openai/error", response.json())


@pytest.mark.parametrize(
    ("state", "code"),
    [("loading", "model_loading"), ("failed", "model_failed"), ("stopped", "model_failed")],
)
async def test_a_model_that_is_not_ready(api: Api, state: Any, code: str) -> None:
    api.engine.state = EngineState(state, "out of memory")
    async with api.client() as client:
        response = await client.post(CHAT, json=chat())
    assert response.status_code == 503
    assert int(response.headers["Retry-After"]) > 0
    assert response.json()["error"]["code"] == code


async def test_a_full_queue_is_429_at_once(api: Api) -> None:
    slots = api.model.config.max_running + api.model.config.max_queued
    async with api.client() as client:
        first = asyncio.create_task(client.post(CHAT, json=chat(n=slots)))
        await until(lambda: api.model.in_flight == slots)
        response = await client.post(CHAT, json=chat())
        first.cancel()
    assert response.status_code == 429
    assert int(response.headers["Retry-After"]) > 0
    assert response.json()["error"]["type"] == "rate_limit_error"


async def test_more_choices_than_slots_can_never_be_served(api: Api) -> None:
    slots = api.model.config.max_running + api.model.config.max_queued
    async with api.client() as client:
        response = await client.post(CHAT, json=chat(n=slots + 1))
    assert response.status_code == 400
    assert response.json()["error"]["param"] == "n"
    assert not api.engine.requests


async def test_a_large_body_is_checked_off_the_loop(api: Api) -> None:
    api.engine.scripts.append(script("Hi"))
    text = "x" * 500_000
    answer = await ask(api, {"messages": [{"role": "user", "content": text}]})
    assert answer["choices"][0]["message"]["content"] == "Hi"
    await until(lambda: api.app.active == 0)
    assert api.engine.requests[0].prompt.messages[0].content == text  # type: ignore[union-attr]
