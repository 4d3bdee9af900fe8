"""Text completions: what a body asks of the engine, and what an answer looks like."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from typing import Any

import pytest

from ovapi.api.openai.completions import decode
from ovapi.core import (
    Accepted,
    BeamSearch,
    Delta,
    Event,
    Failed,
    Finished,
    SamplingParams,
    TextPrompt,
    TokenLogprob,
    TokenPrompt,
    Usage,
)
from ovapi.engine.base import EngineState
from ovapi.errors import EngineFailed, InvalidRequest
from tests.support.api import SCHEMAS, Api
from tests.support.fake_engine import script

PATH = "/v1/completions"
DEFAULTS = SamplingParams()


def body(**parameters: Any) -> dict[str, Any]:
    return {"prompt": "Once", **parameters}


def sampling(**parameters: Any) -> SamplingParams:
    SCHEMAS.validate("openai/completion_request", body(**parameters))
    return decode(body(**parameters), DEFAULTS, "cmpl-1").requests[0].sampling


async def ask(api: Api, **parameters: Any) -> dict[str, Any]:
    async with api.client() as client:
        response = await client.post(PATH, json=body(**parameters))
    assert response.status_code == 200, response.text
    answer: dict[str, Any] = response.json()
    SCHEMAS.validate("openai/completion_response", answer)
    return answer


async def stream(api: Api, **parameters: Any) -> list[dict[str, Any]]:
    """The chunks, checked against the schema, without the [DONE] at their end."""
    async with api.client() as client:
        response = await client.post(PATH, json=body(stream=True, **parameters))
    *events, done, nothing = response.text.split("\n\n")
    assert (done, nothing) == ("data: [DONE]", "")
    chunks = [json.loads(one.removeprefix("data: ")) for one in events if one[0] != ":"]
    for one in chunks:
        SCHEMAS.validate("openai/error" if "error" in one else "openai/completion_chunk", one)
    return chunks


async def refused(api: Api, **parameters: Any) -> dict[str, Any]:
    async with api.client() as client:
        response = await client.post(PATH, json=body(**parameters))
    assert response.status_code == 400
    SCHEMAS.validate("openai/error", response.json())
    error: dict[str, Any] = response.json()["error"]
    return error


# --- what is asked of the engine ---


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("Hi", [TextPrompt("Hi")]),
        ("", [TextPrompt("")]),
        (["Hi", "Ho"], [TextPrompt("Hi"), TextPrompt("Ho")]),
        ([1, 2, 3], [TokenPrompt((1, 2, 3))]),
        ([[1, 2], [3]], [TokenPrompt((1, 2)), TokenPrompt((3,))]),
    ],
)
def test_the_four_forms_of_a_prompt(given: Any, expected: list[Any]) -> None:
    SCHEMAS.validate("openai/completion_request", {"prompt": given})
    call = decode({"prompt": given}, DEFAULTS, "c")
    assert [one.prompt for one in call.requests] == expected


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, {}),
        ({"max_tokens": 5}, {"max_tokens": 5, "max_tokens_explicit": True}),
        ({"temperature": 0, "seed": 4}, {"temperature": 0, "seed": 4}),
        ({"top_k": -1, "stop": "x"}, {"stop": ("x",)}),
        ({"logprobs": 0}, {"logprobs": True}),
        ({"logprobs": 1, "temperature": 0}, {"logprobs": True, "temperature": 0}),
        ({"best_of": 1}, {}),
        ({"best_of": 3, "n": 2}, {"beams": BeamSearch(3, 2)}),
    ],
)
def test_a_parameter_reaches_the_engine(given: dict[str, Any], expected: dict[str, Any]) -> None:
    assert sampling(**given) == replace(DEFAULTS, **expected)


def test_null_is_as_good_as_nothing() -> None:
    names = set(SCHEMAS["openai/completion_request"]["properties"]) - {"prompt"}
    assert sampling(**dict.fromkeys(names)) == DEFAULTS


def test_echo_and_truncation_are_the_engines() -> None:
    (request,) = decode(body(echo=True, truncate_prompt_tokens=5), DEFAULTS, "c").requests
    assert request.echo
    assert request.truncate_prompt_tokens == 5


def test_choices_of_several_prompts_are_numbered_through() -> None:
    call = decode(body(prompt=["a", "b"], n=2, seed=7), DEFAULTS, "c")
    prompts = [request.prompt.text for request in call.requests]  # type: ignore[union-attr]
    assert prompts == ["a", "a", "b", "b"]
    assert [request.sampling.seed for request in call.requests] == [7, 8, 7, 8]
    assert [request.id for request in call.requests] == ["c-0", "c-1", "c-2", "c-3"]


def test_a_beam_search_is_one_request_for_each_prompt() -> None:
    call = decode(body(prompt=["a", "b"], n=2, best_of=4), DEFAULTS, "c")
    assert len(call.requests) == 2
    assert (call.prompts, call.choices) == (2, 2)


def test_there_is_an_end_to_the_choices_of_one_request() -> None:
    with pytest.raises(InvalidRequest, match="2048"):
        decode(body(prompt=["a"] * 2048, n=2), DEFAULTS, "c")


# --- what an answer looks like ---


def test_a_million_prompts_are_refused_before_anything_is_made_of_them() -> None:
    body = {"prompt": ["a"] * 1_000_000}
    start = time.perf_counter()
    with pytest.raises(InvalidRequest, match="2048 choices"):
        decode(body, SamplingParams(), "cmpl-1")
    assert time.perf_counter() - start < 0.5


async def test_a_whole_answer(api: Api) -> None:
    api.engine.scripts.append(script(" upon", " a time", reason="length"))
    answer = await ask(api, model="gpt-4o")
    assert answer["id"].startswith("cmpl-")
    assert answer["model"] == "demo"
    assert answer["choices"] == [
        {"index": 0, "text": " upon a time", "logprobs": None, "finish_reason": "length"}
    ]
    assert answer["usage"]["total_tokens"] == 9


async def test_prompts_times_choices(api: Api) -> None:
    api.engine.scripts += [script("a"), script("b", "c"), script("d"), script("e")]
    answer = await ask(api, prompt=["x", "y"], n=2)
    assert [one["text"] for one in answer["choices"]] == ["a", "bc", "d", "e"]
    assert [one["index"] for one in answer["choices"]] == [0, 1, 2, 3]
    assert answer["usage"]["prompt_tokens"] == 14
    assert answer["usage"]["completion_tokens"] == 5


async def test_beams_of_several_prompts(api: Api) -> None:
    def beams(*texts: str) -> list[Event]:
        ends = [Finished("stop", Usage(7, 1), index) for index in range(len(texts))]
        deltas = [Delta(text, (1,), index=index) for index, text in enumerate(texts)]
        return [Accepted(7), *deltas, *ends]

    api.engine.scripts += [beams("a", "b"), beams("c", "d")]
    answer = await ask(api, prompt=["x", "y"], n=2, best_of=2)
    assert [one["text"] for one in answer["choices"]] == ["a", "b", "c", "d"]
    assert answer["usage"]["prompt_tokens"] == 14


async def test_a_stream(api: Api) -> None:
    api.engine.scripts.append(script(" upon", " a time"))
    chunks = await stream(api, stream_options={"include_usage": True})
    assert len({(one["id"], one["created"], one["object"]) for one in chunks}) == 1
    assert chunks[0]["object"] == "text_completion"
    choices = [one for chunk in chunks for one in chunk["choices"]]
    assert [one["text"] for one in choices] == [" upon", " a time", ""]
    assert [one["finish_reason"] for one in choices] == [None, None, "stop"]
    assert [one["usage"] is None for one in chunks] == [True, True, True, False]


async def test_a_stream_of_several_prompts(api: Api) -> None:
    api.engine.scripts += [script("a"), script("b"), script("c"), script("d")]
    chunks = await stream(api, prompt=[[1], [2]], n=2)
    texts = ["", "", "", ""]
    for chunk in chunks:
        texts[chunk["choices"][0]["index"]] += chunk["choices"][0]["text"]
    assert texts == ["a", "b", "c", "d"]


async def test_an_error_in_the_stream(api: Api) -> None:
    failure = Failed(EngineFailed("It broke."))
    api.engine.scripts.append([Accepted(7), Delta("Hi", (1,)), failure])
    async with api.client() as client:
        response = await client.post(PATH, json=body())
    assert response.status_code == 500
    SCHEMAS.validate("openai/error", response.json())


# --- log-probabilities ---

ECHOED = Delta("Ä!", (), (TokenLogprob("�", None, b"\xc3"), TokenLogprob("�!", -2.0, b"\x84!")))
ANSWERED = Delta(" so", (9,), (TokenLogprob(" so", float("-inf"), b" so"),))
LOGPROBS = [Accepted(2), ECHOED, ANSWERED, Finished("stop", Usage(2, 1))]


async def test_logprobs(api: Api) -> None:
    api.engine.scripts.append(LOGPROBS)
    answer = await ask(api, logprobs=0, echo=True)
    assert answer["choices"][0]["text"] == "Ä! so"
    assert answer["choices"][0]["logprobs"] == {
        "tokens": ["�", "�!", " so"],
        "token_logprobs": [None, -2.0, -9999.0],
        "top_logprobs": None,
        "text_offset": [0, 0, 2],
    }


async def test_the_likeliest_token_is_named_where_it_is_known(api: Api) -> None:
    api.engine.scripts.append(LOGPROBS)
    answer = await ask(api, logprobs=1, temperature=0, echo=True)
    top = answer["choices"][0]["logprobs"]["top_logprobs"]
    assert top == [None, None, {" so": -9999.0}]


async def test_streamed_logprobs_go_on_where_they_were(api: Api) -> None:
    api.engine.scripts.append(LOGPROBS)
    chunks = await stream(api, logprobs=0, echo=True)
    offsets = [one["choices"][0]["logprobs"]["text_offset"] for one in chunks[:2]]
    assert offsets == [[0, 0], [2]]
    assert chunks[2]["choices"][0]["logprobs"] is None


# --- refusals ---


@pytest.mark.parametrize(
    ("param", "given"),
    [
        ("prompt", {"prompt": None}),
        ("prompt", {"prompt": []}),
        ("prompt", {"prompt": 5}),
        ("prompt", {"prompt": {"text": "Hi"}}),
        ("prompt", {"prompt": ["a", 1]}),
        ("prompt", {"prompt": [[1], 1]}),
        ("prompt[0]", {"prompt": [-1]}),
        ("prompt[1]", {"prompt": [1, 1.5]}),
        ("prompt[0]", {"prompt": [True]}),
        ("prompt[0]", {"prompt": [None]}),
        ("prompt[1]", {"prompt": [[1], []]}),
        ("prompt[0][1]", {"prompt": [[1, "a"]]}),
        ("prompt[0][0]", {"prompt": [[-1]]}),
        ("prompt[0][0]", {"prompt": [[2**31]]}),
        ("max_tokens", {"max_tokens": -1}),
        ("max_tokens", {"max_tokens": 0}),
        ("logprobs", {"logprobs": 2}),
        ("logprobs", {"logprobs": 5}),
        ("logprobs", {"logprobs": -1}),
        ("logprobs", {"logprobs": True}),
        ("logprobs", {"logprobs": 1}),
        ("logprobs", {"logprobs": 1, "temperature": 0, "best_of": 2}),
        ("suffix", {"suffix": "end"}),
        ("logit_bias", {"logit_bias": {"1": 5}}),
        ("echo", {"echo": 1}),
        ("n", {"n": 3, "best_of": 2}),
        ("n", {"n": 0}),
        ("stream_options", {"stream_options": {"include_usage": True}}),
        ("messages", {"messages": []}),
        ("min_tokens", {"min_tokens": 5, "max_tokens": 2}),
        ("length_penalty", {"length_penalty": 2}),
        ("frequency_penalty", {"best_of": 2, "frequency_penalty": 1}),
    ],
)
async def test_a_refusal_names_the_parameter(api: Api, param: str, given: dict[str, Any]) -> None:
    error = await refused(api, **given)
    assert error["param"] == param
    assert param.split("[")[0] in error["message"]
    assert not api.engine.requests


@pytest.mark.parametrize("given", [{"suffix": ""}, {"max_tokens": 0, "echo": True}])
async def test_what_changes_nothing_is_taken(api: Api, given: dict[str, Any]) -> None:
    api.engine.scripts.append(script("a"))
    await ask(api, **given)


async def test_a_model_that_loads(api: Api) -> None:
    api.engine.state = EngineState("loading")
    async with api.client() as client:
        response = await client.post(PATH, json=body())
    assert response.status_code == 503


async def test_the_paths_of_openvino_model_server(api: Api) -> None:
    api.engine.scripts += [script("a"), script("b")]
    async with api.client() as client:
        assert (await client.post("/v3/completions", json=body())).status_code == 200
        messages = {"messages": [{"role": "user", "content": "Hello"}]}
        assert (await client.post("/v3/chat/completions", json=messages)).status_code == 200
        assert (await client.get("/v3/models")).json()["data"][0]["id"] == "demo"
        assert (await client.get("/v3/models/demo")).json()["id"] == "demo"
