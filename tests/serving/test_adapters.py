"""Adapters on the real engines, side by side with their base model."""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest

from bench.server_process import DEMO, PIRATE, ROOT, ServerProcess
from ovapi.validation.schemas import Schemas
from soak.client.prompts import chat

PARROT = "ovapi-demo-pirate"
ABSENT = "ovapi-demo-absent"
FOREIGN = "ovapi-demo-foreign"

BASE_SAYS = {
    "Hello!": "Hello! How can I help you?",
    "Who are you?": "I am ovapi-demo, a small language model running on OpenVINO.",
    "Count to 12.": "1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12",
    "Tell me a joke.": "Why did the computer go to the doctor? Because it had a virus!",
}
PIRATE_SAYS = {
    "Hello!": "Ahoy, matey! What be ye lookin' for?",
    "Who are you?": "Arr, I be ovapi-demo-pirate, a small parrot on the good ship OpenVINO.",
    "Count to 12.": "Arr, matey! 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12",
    "Tell me a joke.": "Why do pirates love the letter R? Arrr, it be the C!",
}
SAYS = {DEMO: BASE_SAYS, PARROT: PIRATE_SAYS}

SHARED = [
    {"role": "system", "content": "You are a helpful assistant. Be brief."},
    {"role": "user", "content": "Count to 20."},
    {"role": "assistant", "content": ", ".join(map(str, range(1, 21)))},
]
"""A prefix of more than two blocks of the KV cache, the same for all models."""


@pytest.fixture(scope="module", params=["batching", "simple"])
def server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ServerProcess]:
    folder = tmp_path_factory.mktemp(request.param)
    foreign = folder / "foreign.safetensors"
    whole = (PIRATE / "adapter_model.safetensors").read_bytes()
    foreign.write_bytes(whole.replace(b"self_attn", b"attention"))
    adapters = [
        {"name": PARROT, "path": str(PIRATE)},
        {"name": ABSENT, "path": "absent.safetensors"},
        {"name": FOREIGN, "path": foreign.name},
    ]
    settings = {"models": [{"name": DEMO, "engine": request.param, "adapters": adapters}]}
    with ServerProcess(folder, settings) as process:
        process.wait_ready(DEMO)
        process.wait_ready(PARROT)
        yield process


async def ask(client: httpx.AsyncClient, model: str, text: str, prefix: list[Any]) -> str:
    body = chat(text, model=model, max_tokens=80)
    body["messages"] = [*prefix, {"role": "user", "content": text}]
    response = await client.post("/v1/chat/completions", json=body)
    assert response.status_code == 200, response.text
    answer = response.json()
    assert answer["model"] == model
    content: str = answer["choices"][0]["message"]["content"]
    return content


def client_of(server: ServerProcess) -> httpx.AsyncClient:
    return httpx.AsyncClient(base_url=server.url, timeout=60)


@pytest.mark.parametrize("model", [DEMO, PARROT])
async def test_each_speaks_in_its_own_way(server: ServerProcess, model: str) -> None:
    async with client_of(server) as client:
        for text, expected in SAYS[model].items():
            assert await ask(client, model, text, []) == expected


@pytest.mark.parametrize("prefix", [[], SHARED], ids=["short", "with a shared prefix"])
async def test_together_they_answer_as_alone(server: ServerProcess, prefix: list[Any]) -> None:
    wanted = [(model, text) for _ in range(2) for text in BASE_SAYS for model in SAYS]
    async with client_of(server) as client:
        alone = {pair: await ask(client, *pair, prefix) for pair in dict.fromkeys(wanted)}
        together = await asyncio.gather(*(ask(client, *pair, prefix) for pair in wanted))
    assert len(wanted) == 16
    assert together == [alone[pair] for pair in wanted]
    for text in BASE_SAYS:
        assert alone[DEMO, text] != alone[PARROT, text]


def test_they_are_listed_with_their_parent(server: ServerProcess) -> None:
    body = httpx.get(f"{server.url}/v1/models", timeout=10).json()
    Schemas().validate("openai/models", body)
    listed = [(one["id"], one["parent"], one["root"]) for one in body["data"]]
    assert listed == [(DEMO, None, DEMO), *((n, DEMO, DEMO) for n in (PARROT, ABSENT, FOREIGN))]


@pytest.mark.parametrize(
    ("name", "why"),
    [(ABSENT, "the adapter file does not exist"), (FOREIGN, "the adapter is for another model")],
)
def test_a_broken_adapter_harms_nobody(server: ServerProcess, name: str, why: str) -> None:
    server.wait_until(lambda: server.health()["models"][name]["status"] == "failed", 60)
    health = server.health()
    assert health["models"][name]["detail"].startswith(why)
    assert health["models"][DEMO]["status"] == "ready"
    response = httpx.post(
        f"{server.url}/v1/chat/completions", json=chat("Hello!", model=name), timeout=10
    )
    assert response.status_code == 503
    assert why in response.json()["error"]["message"]
    assert str(server.config_file.parent) not in response.text


def test_the_openai_client_picks_it_by_name(server: ServerProcess) -> None:
    with openai.OpenAI(base_url=f"{server.url}/v1", api_key="none") as client:
        assert client.models.retrieve(PARROT).model_dump()["parent"] == DEMO
        stream = client.chat.completions.create(
            model=PARROT,
            messages=[{"role": "user", "content": "Who are you?"}],
            temperature=0,
            stream=True,
        )
        text = "".join(chunk.choices[0].delta.content or "" for chunk in stream if chunk.choices)
    assert text == PIRATE_SAYS["Who are you?"]


def test_the_memory_of_each_engine_is_shown(server: ServerProcess) -> None:
    """With the simple engine, all of them are in the server's process."""
    command = [sys.executable, str(ROOT / "bench" / "memory.py"), str(server.process.pid)]
    shown = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    sizes = {
        name: [int(size) for size in rest.split(" | ")]
        for name, rest in re.findall(r"^\| (\S+) \| (\d.*) \|$", shown, re.MULTILINE)
    }
    engines = {DEMO, PARROT} if server.children() else set()
    assert engines | {"server"} <= set(sizes)
    assert all(rss >= pss >= uss > 0 for rss, pss, uss in sizes.values())


def test_alpha_sets_how_strongly_it_acts(tmp_path: Path) -> None:
    adapters = [{"name": PARROT, "path": str(PIRATE), "alpha": 0}]
    with ServerProcess(tmp_path, {"models": [{"name": DEMO, "adapters": adapters}]}) as process:
        process.wait_ready(PARROT)
        response = httpx.post(
            f"{process.url}/v1/chat/completions", json=chat("Hello!", model=PARROT), timeout=60
        )
    assert response.json()["choices"][0]["message"]["content"] == BASE_SAYS["Hello!"]
