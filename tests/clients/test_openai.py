"""The openai package, used as its documentation shows, against the real server."""

from __future__ import annotations

from collections.abc import Iterator

import openai
import pytest

from bench.server_process import DEMO, ServerProcess

HELLO = [{"role": "user", "content": "Hello!"}]


@pytest.fixture
def client(any_server: ServerProcess) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{any_server.url}/v1", api_key="any", max_retries=0) as client:
        yield client


def test_chat(client: openai.OpenAI) -> None:
    answer = client.chat.completions.create(model=DEMO, messages=HELLO, temperature=0)
    choice = answer.choices[0]
    assert choice.message.role == "assistant"
    assert choice.message.content
    assert choice.finish_reason == "stop"
    assert answer.model == DEMO
    assert answer.usage is not None
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens


def test_streaming_gives_the_same_text(client: openai.OpenAI) -> None:
    whole = client.chat.completions.create(model=DEMO, messages=HELLO, temperature=0)
    with client.chat.completions.create(
        model=DEMO,
        messages=HELLO,
        temperature=0,
        stream=True,
        stream_options={"include_usage": True},
    ) as stream:
        chunks = list(stream)
    text = "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)
    assert text == whole.choices[0].message.content
    assert len({chunk.id for chunk in chunks}) == 1
    assert chunks[0].choices[0].delta.role == "assistant"
    assert chunks[-2].choices[0].finish_reason == "stop"
    assert chunks[-1].choices == []
    assert chunks[-1].usage == whole.usage


def test_three_streaming_choices(client: openai.OpenAI) -> None:
    stream = client.chat.completions.create(
        model=DEMO, messages=HELLO, n=3, stream=True, seed=1, temperature=0
    )
    texts = {0: "", 1: "", 2: ""}
    ended = set()
    for chunk in stream:
        choice = chunk.choices[0]
        texts[choice.index] += choice.delta.content or ""
        if choice.finish_reason:
            ended.add(choice.index)
    assert ended == {0, 1, 2}
    assert texts[0]
    assert texts[0] == texts[1] == texts[2]


def test_raw_response_carries_the_request_id(client: openai.OpenAI) -> None:
    raw = client.chat.completions.with_raw_response.create(
        model=DEMO, messages=HELLO, extra_headers={"X-Request-ID": "my-id"}
    )
    assert raw.headers["x-request-id"] == "my-id"
    assert raw.headers["content-type"].startswith("application/json")
    assert raw.parse().choices[0].message.content


def test_models(client: openai.OpenAI) -> None:
    assert [model.id for model in client.models.list()] == [DEMO]
    assert client.models.retrieve(DEMO).object == "model"


@pytest.mark.parametrize(
    ("arguments", "error", "param"),
    [
        ({"temperature": 3}, openai.BadRequestError, "temperature"),
        ({"model": "other"}, openai.NotFoundError, "model"),
        ({"messages": HELLO * 4000}, openai.BadRequestError, "messages"),
    ],
)
def test_errors_are_the_clients_own(
    client: openai.OpenAI, arguments: dict[str, object], error: type[openai.APIStatusError],
    param: str,
) -> None:  # fmt: skip
    with pytest.raises(error) as caught:
        client.chat.completions.create(**{"model": DEMO, "messages": HELLO, **arguments})
    assert caught.value.param == param


async def test_async_client(any_server: ServerProcess) -> None:
    async with openai.AsyncOpenAI(base_url=f"{any_server.url}/v1", api_key="any") as client:
        stream = await client.chat.completions.create(model=DEMO, messages=HELLO, stream=True)
        parts = [chunk.choices[0].delta.content or "" async for chunk in stream]
    assert "".join(parts)
