"""/api/generate: the prompt, the options, and the answer in lines or whole."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import httpx
import pytest

from ovapi.api.ollama.options import sampling, template_args
from ovapi.core import (
    Accepted,
    ChatPrompt,
    Delta,
    Event,
    Failed,
    Finished,
    GenerateRequest,
    Message,
    SamplingParams,
    TextPrompt,
    TokenLogprob,
    TokenPrompt,
    Usage,
)
from ovapi.engine.base import EngineState
from ovapi.errors import EngineFailed
from tests.support.api import SCHEMAS, Api, until
from tests.support.fake_engine import script
from tests.support.ndjson import ask, refused, stream

PATH = "/api/generate"
JOKE = {"prompt": "tell me a joke"}
DEFAULTS = SamplingParams()

EVERY_OPTION = {
    "num_keep": 5, "seed": 42, "num_predict": 100, "top_k": 20, "top_p": 0.9, "min_p": 0.0,
    "typical_p": 0.7, "repeat_last_n": 33, "temperature": 0.8, "repeat_penalty": 1.2,
    "presence_penalty": 1.5, "frequency_penalty": 1.0, "mirostat": 1, "mirostat_tau": 0.8,
    "mirostat_eta": 0.6, "penalize_newline": True, "stop": ["\n", "user:"], "numa": False,
    "num_ctx": 1024, "num_batch": 2, "num_gpu": 1, "main_gpu": 0, "low_vram": False,
    "vocab_only": False, "use_mmap": True, "use_mlock": False, "num_thread": 8,
}  # fmt: skip


@asynccontextmanager
async def streaming(api: Api) -> AsyncIterator[httpx.Response]:
    """The answer to a joke, while it comes."""
    body = {"model": "demo", **JOKE}
    async with api.client() as client, client.stream("POST", PATH, json=body) as response:
        yield response


# --- what is asked of the engine ---


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (None, {}),
        ({}, {}),
        ({"temperature": 0}, {"temperature": 0}),
        ({"top_k": 5, "top_p": 0.5, "min_p": 0.1}, {"top_k": 5, "top_p": 0.5, "min_p": 0.1}),
        ({"top_k": -1}, {"top_k": 0}),
        ({"seed": 0}, {"seed": 0}),
        ({"seed": -1}, {"seed": None}),
        ({"stop": "a"}, {"stop": ("a",)}),
        ({"stop": ["a", "b"]}, {"stop": ("a", "b")}),
        ({"repeat_penalty": 1.2}, {"repetition_penalty": 1.2}),
        (
            {"presence_penalty": 1, "frequency_penalty": -1},
            {"presence_penalty": 1, "frequency_penalty": -1},
        ),
        ({"num_predict": 5}, {"max_tokens": 5}),
        ({"num_predict": 0}, {"max_tokens": None}),
        ({"num_predict": -1}, {"max_tokens": None}),
        ({"num_predict": -2}, {"max_tokens": None}),
        (dict.fromkeys(EVERY_OPTION), {}),
        ({"num_ctx": 1024, "mirostat": 1, "typical_p": 0.5, "num_thread": 8}, {}),
    ],
)
def test_options(options: dict[str, Any] | None, expected: dict[str, Any]) -> None:
    SCHEMAS.validate("ollama/generate_request", {"model": "demo", "options": options})
    assert sampling({"options": options}, DEFAULTS) == replace(DEFAULTS, **expected)


def test_every_option_of_ollamas_documentation_is_known() -> None:
    SCHEMAS.validate("ollama/generate_request", {"model": "demo", "options": EVERY_OPTION})


@pytest.mark.parametrize(
    ("think", "expected"),
    [
        (None, {}),
        (True, {"enable_thinking": True, "thinking": True}),
        (False, {"enable_thinking": False, "thinking": False}),
        ("low", {"enable_thinking": True, "thinking": True, "reasoning_effort": "low"}),
    ],
)
def test_think(think: object, expected: dict[str, Any]) -> None:
    assert template_args({"think": think}) == expected


async def tokenized(api: Api, **body: Any) -> tuple[object, object]:
    """What was tokenized for `body`, and the prompt that the engine got."""
    asked: list[object] = []

    async def tokenize(
        prompt: object, add_special_tokens: bool = True, **_: object
    ) -> tuple[int, ...]:
        asked.append(prompt)
        return (1, 2, 3)

    api.engine.tokenize = tokenize  # type: ignore[method-assign, assignment]
    api.engine.scripts.append(script("Ha!"))
    await ask(api, PATH, {**JOKE, **body})
    return (asked or [None])[0], api.engine.requests[-1].prompt


async def test_a_prompt_goes_through_the_chat_template(api: Api) -> None:
    turn = Message("user", "tell me a joke")
    assert await tokenized(api) == (ChatPrompt((turn,)), TokenPrompt((1, 2, 3)))
    system = Message("system", "Be brief.")
    assert (await tokenized(api, system="Be brief."))[0] == ChatPrompt((system, turn))
    thinking = ChatPrompt((turn,), template_args={"enable_thinking": True, "thinking": True})
    assert (await tokenized(api, think=True))[0] == thinking


async def test_an_earlier_context_comes_first(api: Api) -> None:
    assert (await tokenized(api, context=[8, 9]))[1] == TokenPrompt((8, 9, 1, 2, 3))


async def test_a_raw_prompt_is_left_as_it_is(api: Api) -> None:
    assert await tokenized(api, raw=True) == (None, TextPrompt("tell me a joke"))


# --- the answer ---


async def test_a_whole_answer(api: Api) -> None:
    api.engine.scripts.append(script("Why", " not?", reason="length"))
    answer = await ask(api, PATH, {**JOKE, "model": "gpt-4o"})
    assert answer["model"] == "gpt-4o"
    assert answer["response"] == "Why not?"
    assert answer["done"]
    assert answer["done_reason"] == "length"
    assert (answer["prompt_eval_count"], answer["eval_count"]) == (7, 2)


async def test_the_context_is_the_prompt_and_the_answer(api: Api) -> None:
    api.engine.scripts += [script("Why", " not?"), script("Why")]
    assert (await ask(api, PATH, JOKE))["context"] == [1, 2, 3, 0, 1]
    assert "context" not in await ask(api, PATH, {**JOKE, "raw": True})


async def test_a_stream(api: Api) -> None:
    api.engine.scripts.append(script("Why", " not?"))
    lines = await stream(api, PATH, JOKE)
    assert [line["response"] for line in lines] == ["Why", " not?", ""]
    assert [line["done"] for line in lines] == [False, False, True]
    assert set(lines[0]) == {"model", "created_at", "response", "done"}
    assert lines[-1]["done_reason"] == "stop"
    assert lines[-1]["context"] == [1, 2, 3, 0, 1]


async def test_durations_are_measured(api: Api) -> None:
    api.engine.scripts.append(script("Why", " not?"))
    answer = await ask(api, PATH, JOKE)
    parts = [answer[f"{part}_duration"] for part in ("load", "prompt_eval", "eval")]
    assert min(parts) > 0
    assert sum(parts) == pytest.approx(answer["total_duration"], abs=1)
    assert answer["total_duration"] < 10**9


async def test_times_are_those_of_the_lines(api: Api) -> None:
    api.engine.scripts.append(script("Why", " not?"))
    times = [line["created_at"] for line in await stream(api, PATH, JOKE)]
    assert times == sorted(times)
    assert all(re.fullmatch(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z", time) for time in times)


async def test_logprobs(api: Api) -> None:
    token = TokenLogprob("Why", -0.5, b"Why")
    events: list[Event] = [
        Accepted(7), Delta("Why", (1,), (token,)), Finished("stop", Usage(7, 1)),
    ]  # fmt: skip
    api.engine.scripts += [events, events]
    answer = await ask(api, PATH, {**JOKE, "logprobs": True})
    assert answer["logprobs"] == [{"token": "Why", "logprob": -0.5, "bytes": [87, 104, 121]}]
    assert api.engine.requests[0].sampling.logprobs
    lines = await stream(api, PATH, {**JOKE, "logprobs": True})
    assert ["logprobs" in line for line in lines] == [True, False]


@pytest.mark.parametrize("body", [{}, {"prompt": ""}, {"prompt": None}, {"keep_alive": "5m"}])
async def test_without_a_prompt_there_is_only_the_model(api: Api, body: dict[str, Any]) -> None:
    for streaming in ({}, {"stream": True}, {"stream": False}):
        answer = await ask(api, PATH, {**body, **streaming})
        assert (answer["response"], answer["done"]) == ("", True)
        assert answer["done_reason"] == "load"
    assert not api.engine.requests


async def test_nothing_is_sent_in_silence(api: Api) -> None:
    """A stream of lines has no comments."""
    api.keep_alive_every(0.1)
    api.engine.scripts.append([Accepted(7), Delta("Why", (1,))])
    async with streaming(api) as response:
        lines = response.aiter_lines()
        await anext(lines)
        await asyncio.sleep(0.3)
        for sink in api.engine.sinks.values():
            sink(Finished("stop", Usage(7, 1)))
        assert len([line async for line in lines]) == 1


# --- names ---


@pytest.mark.parametrize("name", ["demo", "demo:latest", "gpt-4o", "gpt-4o:latest"])
async def test_a_name_may_have_the_tag_latest(api: Api, name: str) -> None:
    assert (await ask(api, PATH, {"model": name}))["model"] == name


@pytest.mark.parametrize("name", ["other", "demo:7b", "demo:", ":latest", "demo:latest:latest"])
async def test_an_unknown_model(api: Api, name: str) -> None:
    assert await refused(api, PATH, {"model": name}) == (404, f"model '{name}' not found")


# --- errors ---


@pytest.mark.parametrize(
    ("param", "body"),
    [
        ("model", {"model": None}),
        ("prompt", {"prompt": 5}),
        ("format", {"format": "json"}),
        ("format", {"format": {"type": "object"}}),
        ("images", {"images": ["aGk="]}),
        ("suffix", {"suffix": "end"}),
        ("template", {"template": "{{ .Prompt }}"}),
        ("think", {"think": "a lot"}),
        ("context[0]", {"context": [-1]}),
        ("context[1]", {"context": [1, 512]}),
        ("options", {"options": []}),
        ("options.temperature", {"options": {"temperature": -1}}),
        ("options.num_predict", {"options": {"num_predict": "many"}}),
        ("options.heat", {"options": {"heat": 1}}),
        ("system", {"prompt": "x", "raw": True, "system": "Be brief."}),
        ("context", {"prompt": "x", "raw": True, "context": [1]}),
        ("top_logprobs", {"logprobs": True, "top_logprobs": 2}),
        ("temperature", {"temperature": 0}),
    ],
)
async def test_a_refusal_names_the_parameter(api: Api, param: str, body: dict[str, Any]) -> None:
    status, message = await refused(api, PATH, {"model": "demo", **JOKE, **body})
    assert status == 400
    assert param in message


async def test_what_clients_send_without_meaning_it(api: Api) -> None:
    api.engine.scripts.append(script("Ha!"))
    nothing = {"format": "", "images": [], "suffix": "", "template": "", "keep_alive": "5m"}
    await ask(api, PATH, {**JOKE, **nothing, "truncate": True, "shift": True})


async def test_a_missing_model(api: Api) -> None:
    assert await refused(api, PATH, JOKE) == (400, "'model' is required.")


@pytest.mark.parametrize(("error", "status"), [(EngineFailed("It broke."), 500)])
async def test_an_error_before_the_answer(api: Api, error: EngineFailed, status: int) -> None:
    api.engine.scripts.append([Failed(error)])
    assert await refused(api, PATH, {"model": "demo", **JOKE}) == (status, "It broke.")


async def test_a_full_queue_is_a_503(api: Api) -> None:
    api.model.config = replace(api.model.config, max_running=1, max_queued=0)
    sampling = api.model.defaults
    stream = api.model.generate([GenerateRequest("first", TextPrompt("x"), sampling)])
    status, message = await refused(api, PATH, {"model": "demo", **JOKE})
    assert (status, "1 of 1 requests" in message) == (503, True)
    assert not api.engine.tokenized
    stream.close()


async def test_a_model_that_loads(api: Api) -> None:
    api.engine.state = EngineState("loading")
    status, _ = await refused(api, PATH, {"model": "demo"})
    assert status == 503


async def test_an_error_in_the_stream_is_a_line(api: Api) -> None:
    api.engine.scripts.append([Accepted(7), Delta("Why", (1,))])
    async with streaming(api) as response:
        lines = response.aiter_lines()
        await anext(lines)
        for sink in api.engine.sinks.values():
            sink(Failed(EngineFailed("It broke.")))
        assert [line async for line in lines] == ['{"error":"It broke."}']


async def test_a_client_that_leaves_cancels(api: Api) -> None:
    api.engine.scripts.append([Accepted(7), Delta("Why", (1,))])
    async with streaming(api) as response:
        await anext(response.aiter_lines())
    await until(lambda: api.engine.cancelled)
    await until(lambda: api.app.active == 0)
