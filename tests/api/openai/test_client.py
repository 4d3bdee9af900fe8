"""The openai package against the API: what it parses, streams and raises."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import httpx
import openai
import pytest

from ovapi.core import Accepted, Delta, Failed
from ovapi.engine.base import EngineState
from ovapi.errors import EngineFailed
from tests.support.api import Api, until
from tests.support.fake_engine import script

HELLO: Any = [{"role": "user", "content": "Hello"}]
Result = TypeVar("Result")


@asynccontextmanager
async def connected(api: Api) -> AsyncIterator[openai.AsyncOpenAI]:
    http = httpx.AsyncClient(trust_env=False, verify=False)
    async with openai.AsyncOpenAI(
        base_url=f"{api.url}/v1", api_key="any", max_retries=0, http_client=http
    ) as client:
        yield client


async def in_thread(api: Api, use: Callable[[openai.OpenAI], Result]) -> Result:
    """Use the blocking client, which must not block the server's own loop."""

    def run() -> Result:
        http = httpx.Client(trust_env=False, verify=False)
        with openai.OpenAI(
            base_url=f"{api.url}/v1", api_key="any", max_retries=0, http_client=http
        ) as client:
            return use(client)

    return await asyncio.to_thread(run)


async def test_whole(api: Api) -> None:
    api.engine.scripts.append(script("Hi", " there"))
    async with connected(api) as client:
        answer = await client.chat.completions.create(model="demo", messages=HELLO)
    assert answer.choices[0].message.content == "Hi there"
    assert answer.choices[0].finish_reason == "stop"
    assert answer.usage is not None
    assert answer.usage.prompt_tokens_details is not None
    assert answer.usage.prompt_tokens_details.cached_tokens == 3


async def test_an_answer_can_be_sent_back(api: Api) -> None:
    api.engine.scripts += [script("Hi"), script("Bye")]
    async with connected(api) as client:
        first = await client.chat.completions.create(model="demo", messages=HELLO)
        turns = [*HELLO, first.choices[0].message, *HELLO]
        await client.chat.completions.create(model="demo", messages=turns)
        dumped = [*HELLO, first.choices[0].message.model_dump(), *HELLO]
        api.engine.scripts.append(script("Bye"))
        await client.chat.completions.create(model="demo", messages=dumped)
    said = [one.role for one in api.engine.requests[1].prompt.messages]  # type: ignore[union-attr]
    assert said == ["user", "assistant", "user"]


async def test_blocking(api: Api) -> None:
    api.engine.scripts.append(script("Hi", " there"))
    answer = await in_thread(
        api, lambda client: client.chat.completions.create(model="demo", messages=HELLO)
    )
    assert answer.choices[0].message.content == "Hi there"


async def test_blocking_stream(api: Api) -> None:
    api.engine.scripts.append(script("Hi", " there"))

    def read(client: openai.OpenAI) -> str:
        stream = client.chat.completions.create(model="demo", messages=HELLO, stream=True)
        return "".join(chunk.choices[0].delta.content or "" for chunk in stream)

    assert await in_thread(api, read) == "Hi there"


async def test_three_choices_streaming(api: Api) -> None:
    api.engine.scripts += [script("a", "b"), script("c"), script("d", "e", "f")]
    texts = ["", "", ""]
    usage = None
    async with connected(api) as client:
        stream = await client.chat.completions.create(
            model="demo", messages=HELLO, stream=True, n=3, stream_options={"include_usage": True}
        )
        async for chunk in stream:
            usage = chunk.usage or usage
            for choice in chunk.choices:
                texts[choice.index] += choice.delta.content or ""
    assert texts == ["ab", "c", "def"]
    assert usage is not None
    assert usage.completion_tokens == 6


async def test_the_stream_helper(api: Api) -> None:
    api.engine.scripts.append(script("Hi", " there"))
    async with (
        connected(api) as client,
        client.chat.completions.stream(model="demo", messages=HELLO) as stream,
    ):
        final = await stream.get_final_completion()
    assert final.choices[0].message.content == "Hi there"


async def test_raw_response(api: Api) -> None:
    api.engine.scripts.append(script("Hi"))
    async with connected(api) as client:
        raw = await client.chat.completions.with_raw_response.create(
            model="demo", messages=HELLO, extra_headers={"X-Request-ID": "mine"}
        )
    assert raw.headers["x-request-id"] == "mine"
    assert raw.request_id == "mine"
    assert raw.parse().choices[0].message.content == "Hi"


async def test_models(api: Api) -> None:
    async with connected(api) as client:
        assert [model.id async for model in client.models.list()] == ["demo"]
        assert (await client.models.retrieve("gpt-4o")).id == "demo"


async def test_closing_a_stream_cancels(api: Api) -> None:
    api.engine.scripts.append([Accepted(7), Delta("Hi")])
    async with connected(api) as client:
        stream = await client.chat.completions.create(model="demo", messages=HELLO, stream=True)
        await anext(aiter(stream))
        await stream.close()
        await until(lambda: api.engine.cancelled)
    await until(lambda: api.app.active == 0)


async def test_a_full_queue_is_the_clients_rate_limit_error(api: Api) -> None:
    slots = api.model.config.max_running + api.model.config.max_queued
    async with connected(api) as client:
        ask = client.chat.completions.create
        first = asyncio.create_task(ask(model="demo", messages=HELLO, n=slots))
        await until(lambda: api.model.in_flight == slots)
        with pytest.raises(openai.RateLimitError):
            await ask(model="demo", messages=HELLO)
        first.cancel()


@pytest.mark.parametrize(
    ("arguments", "expected", "param"),
    [
        ({"temperature": 3}, openai.BadRequestError, "temperature"),
        ({"extra_body": {"foo": 1}}, openai.BadRequestError, "foo"),
        ({"model": "gpt-5"}, openai.NotFoundError, "model"),
        ({"n": 100}, openai.BadRequestError, "n"),
    ],
)
async def test_refusals(
    api: Api, arguments: dict[str, Any], expected: type[openai.APIStatusError], param: str | None
) -> None:
    async with connected(api) as client:
        with pytest.raises(expected) as caught:
            await client.chat.completions.create(
                **{"model": "demo", "messages": HELLO, **arguments}
            )
    assert caught.value.param == param
    assert caught.value.code
    assert caught.value.request_id


async def test_a_model_that_loads(api: Api) -> None:
    api.engine.state = EngineState("loading")
    async with connected(api) as client:
        with pytest.raises(openai.InternalServerError) as caught:
            await client.chat.completions.create(model="demo", messages=HELLO)
    assert caught.value.status_code == 503
    assert caught.value.code == "model_loading"


async def test_an_error_in_the_stream(api: Api) -> None:
    api.engine.scripts.append([Accepted(7), Delta("Hi")])
    async with connected(api) as client:
        stream = await client.chat.completions.create(model="demo", messages=HELLO, stream=True)
        for sink in api.engine.sinks.values():
            sink(Failed(EngineFailed("It broke.")))
        with pytest.raises(openai.APIError, match="It broke"):
            async for _ in stream:
                pass
