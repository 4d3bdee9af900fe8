"""Every parameter of chat and of completions, by its effect on what the real server says."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from bench.server_process import ServerProcess
from soak.client.prompts import GREETING, LONG, UNSURE, WAVERING

END = "<|im_end|>"


@dataclass
class Asker:
    """Asks one endpoint of one server, greedily unless told otherwise."""

    server: ServerProcess
    path: str

    def post(self, path: str, **body: Any) -> dict[str, Any]:
        response = httpx.post(f"{self.server.url}{path}", json=body, timeout=60)
        assert response.status_code == 200, response.text
        answer: dict[str, Any] = response.json()
        return answer

    def answer(self, prompt: str = LONG, **parameters: Any) -> dict[str, Any]:
        if self.path.endswith("chat/completions"):
            body: dict[str, Any] = {"messages": [{"role": "user", "content": prompt}]}
        else:
            turn = f"<|im_start|>user\n{prompt}{END}\n<|im_start|>assistant\n"
            body = {"prompt": turn}
        return self.post(self.path, **{**body, "temperature": 0, "max_tokens": 40, **parameters})

    def texts(self, prompt: str = LONG, **parameters: Any) -> list[str]:
        choices = self.answer(prompt, **parameters)["choices"]
        return [one["text"] if "text" in one else one["message"]["content"] for one in choices]

    def text(self, prompt: str = LONG, **parameters: Any) -> str:
        return self.texts(prompt, **parameters)[0]


@pytest.fixture(params=["/v1/chat/completions", "/v1/completions"])
def path(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def ask(any_server: ServerProcess, path: str) -> Asker:
    return Asker(any_server, path)


@pytest.fixture
def batching(batching_server: ServerProcess, path: str) -> Asker:
    return Asker(batching_server, path)


HOT = {"temperature": 2, "max_tokens": 60}


def test_temperature(ask: Asker) -> None:
    assert ask.text() == ask.text(temperature=0, seed=5)
    assert ask.text(UNSURE, **HOT, seed=1) != ask.text(UNSURE)


def test_without_a_seed_answers_differ(ask: Asker) -> None:
    free = {**HOT, "ignore_eos": True}  # the end of a likely answer is not the end
    assert len({ask.text(UNSURE, **free) for _ in range(3)}) == 3


def test_seed(ask: Asker) -> None:
    assert ask.text(WAVERING, **HOT, seed=1) == ask.text(WAVERING, **HOT, seed=1)
    assert ask.text(UNSURE, **HOT, seed=1) != ask.text(UNSURE, **HOT, seed=2)


@pytest.mark.parametrize("narrow", [{"top_k": 1}, {"top_p": 1e-6}, {"min_p": 1}])
def test_the_likeliest_token_alone_is_greedy(ask: Asker, narrow: dict[str, float]) -> None:
    assert ask.text(GREETING, temperature=1.5, **narrow) == ask.text(GREETING)


@pytest.mark.parametrize("every", [{"top_k": -1}, {"top_k": 0}, {"top_p": 1}, {"min_p": 0}])
def test_all_tokens_are_considered(ask: Asker, every: dict[str, float]) -> None:
    assert ask.text(WAVERING, **HOT, seed=1, **every) == ask.text(WAVERING, **HOT, seed=1)


@pytest.mark.parametrize(
    "penalty", [{"repetition_penalty": 2}, {"frequency_penalty": 2}, {"presence_penalty": 2}]
)
def test_penalties(ask: Asker, penalty: dict[str, float]) -> None:
    hot = {**HOT, "seed": 1, "max_tokens": 100}
    assert ask.text(UNSURE, **hot, **penalty) != ask.text(UNSURE, **hot)


def test_max_tokens(ask: Asker) -> None:
    answer = ask.answer(max_tokens=7)
    assert answer["usage"]["completion_tokens"] == 7
    assert answer["choices"][0]["finish_reason"] == "length"


def test_min_tokens(ask: Asker) -> None:
    short = ask.answer(GREETING)["usage"]["completion_tokens"]
    least = short + 10
    answer = ask.answer(GREETING, min_tokens=least, max_tokens=200)
    assert answer["usage"]["completion_tokens"] >= least


def test_stop(ask: Asker) -> None:
    text = ask.text()
    word = text.split()[3]
    answer = ask.answer(stop=[word, "never there"])
    assert answer["choices"][0]["finish_reason"] == "stop"
    assert ask.text(stop=word) == text[: text.index(word)]
    assert ask.text(stop=word, include_stop_str_in_output=True).endswith(word)


def test_stop_token_ids(ask: Asker) -> None:
    text = ask.text()
    ids = ask.post("/tokenize", prompt=text)["tokens"]
    stopped = ask.answer(stop_token_ids=[ids[5]])
    assert stopped["usage"]["completion_tokens"] == ids.index(ids[5]) + 1
    assert stopped["choices"][0]["finish_reason"] == "stop"


def test_ignore_eos(ask: Asker) -> None:
    answer = ask.answer(GREETING, ignore_eos=True, max_tokens=80)
    assert answer["usage"]["completion_tokens"] == 80
    assert answer["choices"][0]["finish_reason"] == "length"


def test_skip_special_tokens(ask: Asker) -> None:
    going_on = {"ignore_eos": True, "max_tokens": 80}
    assert END not in ask.text(GREETING, **going_on)
    assert END in ask.text(GREETING, **going_on, skip_special_tokens=False)


def test_truncate_prompt_tokens(ask: Asker) -> None:
    answer = ask.answer(truncate_prompt_tokens=5, max_tokens=1)
    assert answer["usage"]["prompt_tokens"] == 5


def test_n(ask: Asker) -> None:
    texts = ask.texts(WAVERING, n=3, **HOT, seed=7)
    assert len(set(texts)) == 3
    assert texts == [ask.text(WAVERING, **HOT, seed=seed) for seed in (7, 8, 9)]


def test_what_has_no_effect(ask: Asker) -> None:
    nothing: dict[str, Any] = {
        "user": "u", "metadata": {"a": "b"}, "store": False, "service_tier": "auto",
        "logit_bias": {}, "response_format": {"type": "text"},
    }  # fmt: skip
    assert ask.text(**nothing) == ask.text()


def test_logprobs(batching: Asker) -> None:
    chat = batching.path.endswith("chat/completions")
    answer = batching.answer(GREETING, logprobs=True if chat else 0)
    logprobs = answer["choices"][0]["logprobs"]
    tokens = [one["token"] for one in logprobs["content"]] if chat else logprobs["tokens"]
    assert "".join(tokens) == batching.text(GREETING) + "<|im_end|>"


BEAMS: list[Callable[[Asker], bool]] = [
    lambda ask: len(ask.texts(best_of=4, n=3)) == 3,
    lambda ask: len(set(ask.texts(use_beam_search=True, n=4))) == 4,
    lambda ask: ask.texts(best_of=4, n=2) == ask.texts(best_of=4, n=4)[:2],
    lambda ask: ask.texts(best_of=4) == ask.texts(use_beam_search=True),
    lambda ask: ask.texts(best_of=4, n=4, **GROUPS) != ask.texts(best_of=4, n=4),
    lambda ask: (
        ask.texts(GREETING, best_of=4, n=4, length_penalty=-10)
        != ask.texts(GREETING, best_of=4, n=4, length_penalty=10)
    ),
    lambda ask: bool(ask.texts(best_of=3, early_stopping=True)),
    lambda ask: bool(ask.texts(best_of=3, early_stopping="never")),
    lambda ask: ask.texts(best_of=2, no_repeat_ngram_size=2) != ask.texts(best_of=2),
]
GROUPS = {"num_beam_groups": 2, "diversity_penalty": 5.0}


@pytest.mark.parametrize("shows", BEAMS, ids=range(len(BEAMS)))
def test_beam_search(batching: Asker, shows: Callable[[Asker], bool]) -> None:
    assert shows(batching)


def test_the_names_of_chat(any_server: ServerProcess) -> None:
    ask = Asker(any_server, "/v1/chat/completions")
    short = ask.answer(max_tokens=None, max_completion_tokens=5)
    assert short["usage"]["completion_tokens"] == 5
    plain = ask.answer(max_tokens=1)["usage"]["prompt_tokens"]
    thinking = ask.answer(max_tokens=1, chat_template_kwargs={"enable_thinking": True})
    assert thinking["usage"]["prompt_tokens"] > plain
