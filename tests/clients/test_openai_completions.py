"""Text completions by the openai package, and tokenize, against the real server."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import openai
import pytest
from jinja2 import Template
from openai.types import Completion

from bench.server_process import DEMO, ServerProcess
from soak.client.prompts import GREETING

TURN = f"<|im_start|>user\n{GREETING}<|im_end|>\n<|im_start|>assistant\n"


@pytest.fixture
def client(any_server: ServerProcess) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{any_server.url}/v1", api_key="any", max_retries=0) as client:
        yield client


@pytest.fixture
def batching(batching_server: ServerProcess) -> Iterator[openai.OpenAI]:
    url = f"{batching_server.url}/v1"
    with openai.OpenAI(base_url=url, api_key="any", max_retries=0) as client:
        yield client


def complete(client: openai.OpenAI, **parameters: object) -> Completion:
    return client.completions.create(
        **{"model": DEMO, "prompt": TURN, "temperature": 0, **parameters}
    )


def post(server: ServerProcess, path: str, **body: object) -> dict[str, object]:
    response = httpx.post(f"{server.url}{path}", json=body, timeout=30)
    assert response.status_code == 200, response.text
    answer: dict[str, object] = response.json()
    return answer


def test_a_completion_of_a_turn_is_what_chat_says(client: openai.OpenAI) -> None:
    answer = complete(client)
    chat = client.chat.completions.create(
        model=DEMO, messages=[{"role": "user", "content": GREETING}], temperature=0
    )
    assert answer.choices[0].text == chat.choices[0].message.content
    assert answer.choices[0].finish_reason == "stop"
    assert answer.usage is not None
    assert chat.usage is not None
    assert answer.usage.total_tokens == chat.usage.total_tokens
    assert chat.usage.completion_tokens_details is not None  # a completion's text is never parsed
    assert answer.usage.completion_tokens_details is None
    assert answer.object == "text_completion"


def test_streaming_gives_the_same_text(client: openai.OpenAI) -> None:
    whole = complete(client)
    chunks = list(complete(client, stream=True, stream_options={"include_usage": True}))
    assert len(chunks) > 3
    assert "".join(c.choices[0].text for c in chunks if c.choices) == whole.choices[0].text
    assert chunks[-2].choices[0].finish_reason == "stop"
    assert chunks[-1].usage == whole.usage


def test_token_ids_are_a_prompt(client: openai.OpenAI, any_server: ServerProcess) -> None:
    ids = post(any_server, "/tokenize", prompt=TURN)["tokens"]
    whole = complete(client)
    assert complete(client, prompt=ids).choices[0].text == whole.choices[0].text
    several = complete(client, prompt=[ids, ids])
    assert [one.text for one in several.choices] == [whole.choices[0].text] * 2


def test_several_prompts_and_choices(client: openai.OpenAI) -> None:
    prompts = ["The sea", TURN]
    answer = complete(client, prompt=prompts, n=2, max_tokens=10)
    assert [one.index for one in answer.choices] == [0, 1, 2, 3]
    alone = [complete(client, prompt=one, max_tokens=10).choices[0].text for one in prompts]
    assert [one.text for one in answer.choices] == [alone[0], alone[0], alone[1], alone[1]]


def test_echo(client: openai.OpenAI) -> None:
    answer = complete(client, echo=True, max_tokens=5)
    assert answer.choices[0].text == TURN + complete(client, max_tokens=5).choices[0].text


def test_nothing_but_an_echo(batching: openai.OpenAI) -> None:
    answer = complete(batching, echo=True, max_tokens=0)
    choice = answer.choices[0]
    assert choice.text == TURN
    assert choice.finish_reason == "length"
    assert answer.usage is not None
    assert answer.usage.completion_tokens == 0


def test_logprobs(batching: openai.OpenAI) -> None:
    answer = complete(batching, logprobs=1)
    choice = answer.choices[0]
    assert choice.logprobs is not None
    tokens, offsets = choice.logprobs.tokens or [], choice.logprobs.text_offset or []
    assert "".join(tokens) == choice.text + "<|im_end|>"
    assert len(tokens) == (answer.usage and answer.usage.completion_tokens)
    assert offsets == [len("".join(tokens[:number])) for number in range(len(tokens))]
    assert all(value <= 0 for value in choice.logprobs.token_logprobs or [1])
    likeliest = [dict(one) for one in choice.logprobs.top_logprobs or []]
    assert [list(one) for one in likeliest] == [[token] for token in tokens]


def test_streamed_logprobs_are_the_same(batching: openai.OpenAI) -> None:
    whole = complete(batching, logprobs=0).choices[0].logprobs
    parts = [c.choices[0].logprobs for c in complete(batching, logprobs=0, stream=True)]
    assert whole is not None
    tokens = [token for part in parts if part for token in part.tokens or ()]
    offsets = [offset for part in parts if part for offset in part.text_offset or ()]
    assert (tokens, offsets) == (whole.tokens, whole.text_offset)


def test_beam_search(batching: openai.OpenAI) -> None:
    answer = complete(batching, n=2, extra_body={"best_of": 3}, max_tokens=20)
    assert len({one.text for one in answer.choices}) == 2


def test_seeds(client: openai.OpenAI) -> None:
    hot = {"temperature": 1.5, "max_tokens": 30, "prompt": "The"}
    first, second = (complete(client, **hot, seed=5).choices[0].text for _ in range(2))
    assert first == second
    assert len({complete(client, **hot).choices[0].text for _ in range(3)}) > 1


@pytest.mark.parametrize(
    ("arguments", "param"),
    [
        ({"suffix": "end"}, "suffix"),
        ({"logprobs": 5}, "logprobs"),
        ({"logprobs": 0, "echo": True}, "logprobs"),
        ({"prompt": [10**6]}, "prompt"),
        ({"prompt": "word " * 20_000}, "prompt"),
        ({"prompt": ["a", ""]}, "prompt"),
        ({"max_tokens": 10**6}, "max_tokens"),
    ],
)
def test_errors_are_the_clients_own(
    client: openai.OpenAI, arguments: dict[str, object], param: str
) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        complete(client, **arguments)
    assert caught.value.param == param


# --- tokenize and detokenize ---


def test_there_and_back(any_server: ServerProcess) -> None:
    text = "Ahoy, 世界! 🚀"
    there = post(any_server, "/tokenize", prompt=text, return_token_strs=True)
    assert there["max_model_len"] == 4096
    assert isinstance(there["tokens"], list)
    assert there["count"] == len(there["tokens"]) == len(there["token_strs"])  # type: ignore[arg-type]
    assert post(any_server, "/detokenize", tokens=there["tokens"]) == {"prompt": text}


def test_a_conversation_has_the_tokens_that_it_is_billed(
    client: openai.OpenAI, any_server: ServerProcess
) -> None:
    messages = [{"role": "user", "content": GREETING}]
    chat = client.chat.completions.create(model=DEMO, messages=messages, max_tokens=1)  # type: ignore[arg-type]
    assert chat.usage is not None
    counted = post(any_server, "/tokenize", messages=messages)
    assert counted["count"] == chat.usage.prompt_tokens
    assert counted["tokens"] == post(any_server, "/tokenize", prompt=TURN)["tokens"]


def test_what_a_remote_tokenizer_needs(any_server: ServerProcess) -> None:
    """lm-eval's finds the ids of special tokens by their texts, and renders the chat template."""
    info = httpx.get(f"{any_server.url}/tokenizer_info", timeout=30).json()
    assert info["model_max_length"] == 4096
    for token in (info["eos_token"], info["pad_token"]):
        ids = post(any_server, "/tokenize", prompt=token, add_special_tokens=False)["tokens"]
        assert len(ids) == 1  # type: ignore[arg-type]
        assert post(any_server, "/detokenize", tokens=ids) == {"prompt": token}
    messages = [{"role": "user", "content": GREETING}]
    rendered = Template(info["chat_template"]).render(messages=messages, add_generation_prompt=True)
    assert rendered == TURN


def test_ids_beyond_the_vocabulary(any_server: ServerProcess) -> None:
    response = httpx.post(f"{any_server.url}/detokenize", json={"tokens": [10**6]}, timeout=30)
    assert response.status_code == 400
    assert response.json()["error"]["param"] == "tokens"
