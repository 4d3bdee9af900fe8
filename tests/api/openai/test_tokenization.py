"""/tokenize and /detokenize."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ovapi.api.openai.tokenization import decode
from ovapi.core import ChatPrompt, Message, TextPrompt
from ovapi.engine.base import EngineState
from ovapi.errors import InvalidRequest
from tests.support.api import SCHEMAS, Api

MODEL = Path(__file__).resolve().parents[3] / "models" / "ovapi-demo"
HELLO = [{"role": "user", "content": "Hello"}]


async def ask(api: Api, path: str, body: dict[str, Any], status: int = 200) -> dict[str, Any]:
    async with api.client() as client:
        response = await client.post(path, json=body)
    assert response.status_code == status, response.text
    answer: dict[str, Any] = response.json()
    SCHEMAS.validate(f"openai{path}_response" if status == 200 else "openai/error", answer)
    return answer


async def test_a_text(api: Api) -> None:
    answer = await ask(api, "/tokenize", {"model": "gpt-4o", "prompt": "Hello"})
    assert answer == {"count": 3, "max_model_len": 4096, "tokens": [1, 2, 3], "token_strs": None}


async def test_the_text_of_each_token(api: Api) -> None:
    answer = await ask(api, "/tokenize", {"prompt": "Hello", "return_token_strs": True})
    assert answer["token_strs"] == ["\x01", "\x02", "\x03"]


async def test_a_conversation(api: Api) -> None:
    answer = await ask(api, "/tokenize", {"messages": HELLO})
    assert answer["count"] == 3


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"prompt": ""}, TextPrompt("")),
        ({"prompt": "Hi", "messages": None}, TextPrompt("Hi")),
        ({"messages": HELLO}, ChatPrompt((Message("user", "Hello"),))),
        (
            {"messages": HELLO, "add_generation_prompt": False},
            ChatPrompt((Message("user", "Hello"),), add_generation_prompt=False),
        ),
        (
            {"messages": HELLO, "chat_template_kwargs": {"enable_thinking": True}},
            ChatPrompt((Message("user", "Hello"),), template_args={"enable_thinking": True}),
        ),
        ({"messages": HELLO, "add_special_tokens": False}, ChatPrompt((Message("user", "Hello"),))),
    ],
)
def test_what_is_tokenized(body: dict[str, Any], expected: TextPrompt | ChatPrompt) -> None:
    SCHEMAS.validate("openai/tokenize_request", body)
    assert decode(body) == expected


@pytest.mark.parametrize("given", [True, False, None])
async def test_special_tokens_are_added_unless_refused(api: Api, given: bool | None) -> None:
    asked = []

    async def tokenize(
        prompt: object, add_special_tokens: bool = True, **_: object
    ) -> tuple[int, ...]:
        asked.append(add_special_tokens)
        return ()

    api.engine.tokenize = tokenize  # type: ignore[method-assign, assignment]
    await ask(api, "/tokenize", {"prompt": "", "add_special_tokens": given})
    assert asked == [given is not False]


async def test_token_ids(api: Api) -> None:
    answer = await ask(api, "/detokenize", {"tokens": [72, 105]})
    assert answer == {"prompt": "Hi"}


@pytest.mark.parametrize(
    ("path", "param", "body"),
    [
        ("/tokenize", "prompt", {}),
        ("/tokenize", "messages", {"prompt": "a", "messages": HELLO}),
        ("/tokenize", "messages", {"messages": []}),
        ("/tokenize", "messages[0].role", {"messages": [{"content": "Hello"}]}),
        ("/tokenize", "messages[0].content", {"messages": [{"role": "user"}]}),
        ("/tokenize", "add_special_tokens", {"messages": HELLO, "add_special_tokens": True}),
        ("/tokenize", "add_generation_prompt", {"prompt": "a", "add_generation_prompt": True}),
        ("/tokenize", "prompt", {"prompt": ["a"]}),
        ("/tokenize", "foo", {"prompt": "a", "foo": 1}),
        ("/tokenize", "continue_final_message", {"prompt": "a", "continue_final_message": True}),
        ("/tokenize", "chat_template", {"messages": HELLO, "chat_template": "{{ x }}"}),
        ("/detokenize", "tokens", {}),
        ("/detokenize", "tokens", {"tokens": "a"}),
        ("/detokenize", "tokens[0]", {"tokens": [-1]}),
        ("/detokenize", "tokens[1]", {"tokens": [1, "a"]}),
    ],
)
async def test_refusals(api: Api, path: str, param: str, body: dict[str, Any]) -> None:
    answer = await ask(api, path, body, 400)
    assert answer["error"]["param"] == param


@pytest.mark.parametrize("path", ["/tokenize", "/detokenize"])
async def test_models_that_cannot_answer(api: Api, path: str) -> None:
    body = {"prompt": "a"} if path == "/tokenize" else {"tokens": [1]}
    answer = await ask(api, path, {**body, "model": "other"}, 404)
    assert answer["error"]["code"] == "model_not_found"
    api.engine.state = EngineState("loading")
    answer = await ask(api, path, body, 503)
    assert answer["error"]["code"] == "model_loading"


async def test_what_the_engine_objects_to(api: Api) -> None:
    async def detokenize(ids: object, *_: object, **__: object) -> str:
        raise InvalidRequest("Token id 9999 is not in the vocabulary.", param="tokens")

    api.engine.detokenize = detokenize  # type: ignore[method-assign, assignment]
    answer = await ask(api, "/detokenize", {"tokens": [9999]}, 400)
    assert answer["error"]["param"] == "tokens"


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/tokenize", {"prompt": "x"}),
        ("/detokenize", {"tokens": [1]}),
        ("/api/generate", {"model": "demo", "prompt": "x"}),
    ],
)
async def test_it_ends_with_its_client_or_its_deadline(
    api: Api, path: str, body: dict[str, Any]
) -> None:
    began, ended = asyncio.Event(), asyncio.Event()
    deadlines: list[float] = []

    async def endless(*_: object, deadline: float, **__: object) -> None:
        deadlines.append(deadline - asyncio.get_running_loop().time())
        began.set()
        try:
            await asyncio.sleep(60)
        finally:
            ended.set()

    api.engine.tokenize = api.engine.detokenize = endless  # type: ignore
    async with api.client() as client:
        asking = asyncio.create_task(client.post(path, json=body))
        await began.wait()
        asking.cancel()
        await asyncio.wait_for(ended.wait(), 5)
    most = api.app.settings["context"].config.limits.request_seconds
    assert most - 5 < deadlines[0] <= most


async def test_the_tokenizer_of_a_model(api: Api) -> None:
    """What lm-eval's remote tokenizer asks for."""
    api.model.config = replace(api.model.config, path=MODEL)
    async with api.client() as client:
        for query in ("", "?model=gpt-4o"):
            response = await client.get(f"/tokenizer_info{query}")
            assert response.status_code == 200
        unknown = await client.get("/tokenizer_info?model=x")
    answer = response.json()
    SCHEMAS.validate("openai/tokenizer_info", answer)
    assert (answer["eos_token"], answer["pad_token"]) == ("<|im_end|>", "<|endoftext|>")
    assert answer["bos_token"] is None
    assert answer["model_max_length"] == 4096
    assert "<|im_start|>assistant" in answer["chat_template"]
    assert unknown.status_code == 404


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[]",
        '{"eos_token": "\\ud800", "tokenizer_class": 5}',
        '{"eos_token": {"content": ["x"]}}',
    ],
)
async def test_a_tokenizer_whose_files_are_broken(api: Api, tmp_path: Path, content: str) -> None:
    (tmp_path / "tokenizer_config.json").write_text(content)
    api.model.config = replace(api.model.config, path=tmp_path)
    async with api.client() as client:
        answer = (await client.get("/tokenizer_info")).json()
    SCHEMAS.validate("openai/tokenizer_info", answer)
    assert answer["eos_token"] is None


async def test_a_token_with_properties(api: Api, tmp_path: Path) -> None:
    content = {"bos_token": {"content": "<s>", "special": True}, "tokenizer_class": "X"}
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(content))
    api.model.config = replace(api.model.config, path=tmp_path)
    async with api.client() as client:
        answer = (await client.get("/tokenizer_info")).json()
    assert (answer["bos_token"], answer["tokenizer_class"]) == ("<s>", "X")
