"""The ollama package, used as its documentation shows, against the real server."""

from __future__ import annotations

from collections.abc import Iterator

import ollama
import pytest

from bench.server_process import DEMO, ServerProcess
from soak.client.prompts import GREETING, LONG, UNSURE, WAVERING

HELLO = [{"role": "user", "content": GREETING}]
GREEDY = {"temperature": 0}


@pytest.fixture
def client(any_server: ServerProcess) -> Iterator[ollama.Client]:
    with ollama.Client(host=any_server.url) as client:
        yield client


def test_chat(client: ollama.Client) -> None:
    answer = client.chat(model=DEMO, messages=HELLO, options=GREEDY)
    assert answer.message.role == "assistant"
    assert answer.message.content
    assert answer.done
    assert answer.done_reason == "stop"
    assert answer.prompt_eval_count
    assert answer.eval_count
    assert answer.total_duration
    assert answer.eval_duration


def test_a_streamed_chat_says_the_same(client: ollama.Client) -> None:
    whole = client.chat(model=DEMO, messages=HELLO, options=GREEDY)
    parts = list(client.chat(model=f"{DEMO}:latest", messages=HELLO, options=GREEDY, stream=True))
    assert len(parts) > 2
    assert "".join(part.message.content or "" for part in parts) == whole.message.content
    assert [part.done for part in parts] == [False] * (len(parts) - 1) + [True]
    assert parts[-1].eval_count == whole.eval_count


def test_an_answer_can_be_sent_back(client: ollama.Client) -> None:
    said = [*HELLO, client.chat(model=DEMO, messages=HELLO, options=GREEDY).message, *HELLO]
    assert client.chat(model=DEMO, messages=said, options=GREEDY).message.content


def test_generate_says_what_chat_does(client: ollama.Client) -> None:
    chat = client.chat(model=DEMO, messages=HELLO, options=GREEDY)
    answer = client.generate(model=DEMO, prompt=GREETING, options=GREEDY)
    assert answer.response == chat.message.content
    assert answer.prompt_eval_count == chat.prompt_eval_count
    assert answer.context
    assert len(answer.context) >= (answer.prompt_eval_count or 0) + (answer.eval_count or 0)


def test_a_streamed_generate_says_the_same(client: ollama.Client) -> None:
    whole = client.generate(model=DEMO, prompt=GREETING, options=GREEDY)
    parts = list(client.generate(model=DEMO, prompt=GREETING, options=GREEDY, stream=True))
    assert "".join(part.response or "" for part in parts) == whole.response
    assert parts[-1].context == whole.context


def test_a_context_is_remembered(client: ollama.Client) -> None:
    first = client.generate(model=DEMO, prompt="My name is Tom.", options=GREEDY)
    again = {"model": DEMO, "prompt": "What is my name?", "options": GREEDY}
    remembered = client.generate(**again, context=first.context)
    assert remembered.prompt_eval_count is not None
    assert first.context is not None
    assert remembered.prompt_eval_count > len(first.context)
    assert "Tom" in (remembered.response or "")
    assert "Tom" not in (client.generate(**again).response or "")


def test_a_raw_prompt_gets_no_template(client: ollama.Client) -> None:
    answer = client.generate(model=DEMO, prompt=GREETING, raw=True, options={"num_predict": 4})
    assert answer.context is None
    templated = client.generate(model=DEMO, prompt=GREETING, options={"num_predict": 4})
    assert (answer.prompt_eval_count or 0) < (templated.prompt_eval_count or 0)


def test_a_system_message_is_part_of_the_prompt(client: ollama.Client) -> None:
    system = client.generate(model=DEMO, prompt=GREETING, system="Be brief.", options=GREEDY)
    plain = client.generate(model=DEMO, prompt=GREETING, options=GREEDY)
    assert (system.prompt_eval_count or 0) > (plain.prompt_eval_count or 0)


def generate(
    client: ollama.Client, prompt: str = LONG, **options: object
) -> ollama.GenerateResponse:
    return client.generate(model=DEMO, prompt=prompt, options={**GREEDY, **options})


def test_num_predict(client: ollama.Client) -> None:
    answer = generate(client, num_predict=5)
    assert answer.eval_count == 5
    assert answer.done_reason == "length"


@pytest.mark.parametrize("unlimited", [-1, -2, 10**9])
def test_num_predict_ends_where_the_context_does(client: ollama.Client, unlimited: int) -> None:
    assert generate(client, GREETING, num_predict=unlimited).done_reason == "stop"


def test_stop(client: ollama.Client) -> None:
    text = generate(client, num_predict=30).response or ""
    word = text.split()[2]
    stopped = generate(client, num_predict=30, stop=[word])
    assert stopped.response == text[: text.index(word)]
    assert stopped.done_reason == "stop"


def test_seed(client: ollama.Client) -> None:
    hot = {"temperature": 2, "num_predict": 30}
    same = {generate(client, WAVERING, seed=1, **hot).response for _ in range(2)}
    assert len(same) == 1
    different = {generate(client, WAVERING, seed=seed, **hot).response for seed in range(8)}
    assert len(different) > 1


@pytest.mark.parametrize(
    "penalty", [{"repeat_penalty": 2}, {"frequency_penalty": 2}, {"presence_penalty": 2}]
)
def test_penalties_change_the_text(client: ollama.Client, penalty: dict[str, float]) -> None:
    hot = {"temperature": 2, "seed": 1, "num_predict": 100}
    plain = generate(client, UNSURE, **hot)
    assert generate(client, UNSURE, **hot, **penalty).response != plain.response


@pytest.mark.parametrize("narrow", [{"top_k": 1}, {"top_p": 0.001}, {"min_p": 1.0}])
def test_the_likeliest_token_alone_is_greedy(
    client: ollama.Client, narrow: dict[str, float]
) -> None:
    greedy = generate(client, GREETING)
    assert generate(client, GREETING, temperature=1.5, **narrow).response == greedy.response


def test_logprobs(batching_server: ServerProcess) -> None:
    with ollama.Client(host=batching_server.url) as client:
        answer = client.generate(model=DEMO, prompt=GREETING, options=GREEDY, logprobs=True)
    assert answer.logprobs
    assert all(one.logprob <= 0 for one in answer.logprobs)
    assert "".join(one.token for one in answer.logprobs).startswith(answer.response or "-")


def test_the_simple_engine_has_no_logprobs(simple_server: ServerProcess) -> None:
    with (
        ollama.Client(host=simple_server.url) as client,
        pytest.raises(ollama.ResponseError, match="probabilities"),
    ):
        client.generate(model=DEMO, prompt=GREETING, logprobs=True)


def test_loading_a_model(client: ollama.Client) -> None:
    assert client.generate(model=DEMO).done_reason == "load"
    assert client.chat(model=DEMO, messages=[], keep_alive="5m").done_reason == "load"


def test_list(client: ollama.Client) -> None:
    (model,) = [one for one in client.list().models if one.model == f"{DEMO}:latest"]
    assert model.size
    assert model.size > 6_000_000
    assert model.details is not None
    assert model.details.family == "llama"
    assert model.modified_at is not None
    assert client.chat(model=str(model.model), messages=HELLO).done


def test_show(client: ollama.Client) -> None:
    shown = client.show(DEMO)
    assert shown.modelinfo is not None
    assert shown.modelinfo["llama.context_length"] == 4096
    assert shown.modelinfo["general.parameter_count"] > 3_000_000
    assert "message" in (shown.template or "")
    assert shown.capabilities == ["completion", "tools", "thinking"]


def test_ps(client: ollama.Client) -> None:
    (model,) = client.ps().models
    assert model.name == f"{DEMO}:latest"
    assert model.context_length == 4096
    assert model.expires_at is not None


@pytest.mark.parametrize("stream", [False, True])
def test_an_unknown_model(client: ollama.Client, stream: bool) -> None:
    with pytest.raises(ollama.ResponseError, match="model 'x' not found") as caught:
        list(client.chat(model="x", messages=HELLO, stream=stream))
    assert caught.value.status_code == 404


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"format": "json"}, "format"),
        ({"suffix": "end"}, "suffix"),
        ({"options": {"temperature": -1}}, "options.temperature"),
        ({"prompt": "Hello! " * 5000}, "context"),
        ({"context": [10**6]}, "vocabulary"),
    ],
)
def test_refusals(client: ollama.Client, arguments: dict[str, object], message: str) -> None:
    with pytest.raises(ollama.ResponseError, match=message) as caught:
        client.generate(**{"model": DEMO, "prompt": "Hello", **arguments})
    assert caught.value.status_code == 400


async def test_the_async_client(any_server: ServerProcess) -> None:
    async with ollama.AsyncClient(host=any_server.url) as client:
        parts = [part async for part in await client.chat(DEMO, HELLO, stream=True)]
    assert parts[-1].done
