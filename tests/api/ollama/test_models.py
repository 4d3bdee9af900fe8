"""/api/tags, show, ps and version, and what every path below /api has in common."""

from __future__ import annotations

import json
import os
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tornado.ioloop import IOLoop

from ovapi import __version__
from ovapi.api.ollama.handler import timestamp
from ovapi.engine.base import EngineState
from ovapi.engine.load_error import LoadError
from ovapi.engine.model_files import ModelFiles
from ovapi.serving.model_metadata import read_metadata
from tests.support.api import SCHEMAS, Api
from tests.support.fake_engine import script
from tests.support.languages import HERMES, speak
from tests.support.ndjson import refused

GRAPH = """\
<layer id="1" name="a" type="Const" version="opset1">
    <data element_type="u4" shape="100, 8, 128" offset="0" size="51200" />
</layer>
<layer id="2" name="scale" type="Const" version="opset1">
    <data element_type="f16" shape="100, 8, 1" offset="51200" size="1600" />
</layer>
<layer id="3" name="norm" type="Const" version="opset1">
    <data element_type="f32" shape="1, 1, 1000" offset="52800" size="4000" />
</layer>
<layer id="4" name="axes" type="Const" version="opset1">
    <data element_type="i64" shape="200000" offset="56800" size="1600000" />
</layer>
"""
CONFIG = {
    "model_type": "llama",
    "max_position_embeddings": 4096,
    "hidden_size": 1024,
    "rope_parameters": {"rope_theta": 5.0},
    "eos_token_id": [1, 2],
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "openvino_model.xml").write_text(GRAPH)
    (tmp_path / "openvino_model.bin").write_bytes(bytes(2 * 1024 * 1024))
    (tmp_path / "config.json").write_text(json.dumps(CONFIG))
    (tmp_path / "tokenizer_config.json").write_text('{"chat_template": "{{ messages }}"}')
    return tmp_path


async def get(api: Api, path: str) -> dict[str, Any]:
    async with api.client() as client:
        response = await client.get(path)
        assert (await client.head(path)).status_code == 200
    assert response.status_code == 200
    answer: dict[str, Any] = response.json()
    SCHEMAS.validate(f"ollama/{path.removeprefix('/api/')}", answer)
    return answer


# --- the card of a model ---


def test_the_facts_of_a_model(folder: Path) -> None:
    card = read_metadata(folder)
    assert card.size == sum(file.stat().st_size for file in folder.iterdir())
    assert card.parameters == 100 * 8 * 128 + 1000
    assert card.weights == "INT4"
    assert card.family == "llama"
    assert card.template == "{{ messages }}"
    assert card.info == {
        "general.architecture": "llama",
        "general.parameter_count": 103400,
        "llama.context_length": 4096,
        "llama.embedding_length": 1024,
        "llama.rope.freq_base": 5.0,
    }


def test_a_template_in_a_file_of_its_own_wins(folder: Path) -> None:
    (folder / "chat_template.jinja").write_text("{{ own }}")
    assert read_metadata(folder).template == "{{ own }}"


def test_a_graph_of_constants_that_are_none(folder: Path) -> None:
    (folder / "openvino_model.xml").write_text('type="Const"' * 90_000 + GRAPH)
    started = time.process_time()
    assert read_metadata(folder).parameters == 100 * 8 * 128 + 1000
    assert time.process_time() - started < 2


@pytest.mark.parametrize(
    "shape", ["9" * 5000, "9, " * 60 + "9", "99999999999, 99999999999", ",", " ,2", "2, ,2"]
)
def test_a_huge_shape_is_not_known(folder: Path, shape: str) -> None:
    (folder / "openvino_model.xml").write_text(
        f'type="Const"><data element_type="f32" shape="{shape}"'
    )
    assert read_metadata(folder).parameters == 0


def test_a_time_that_cannot_be_written(folder: Path) -> None:
    for seconds, nanoseconds in ((-(10**9), 0), (10**10, 10**19)):
        os.utime(folder / "config.json", (seconds, seconds))
        read_metadata.cache_clear()
        timestamp(read_metadata(folder).modified)
        assert 0 <= read_metadata(folder).modified <= nanoseconds or seconds < 0


ODD = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5)
    | st.sampled_from(["\ud800", "llama", 10**400, "\x1b[31m", "x" * 10**5]),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=6,
)  # fmt: skip
KEYS = ("model_type", "text_config", "rope_parameters", "eos_token_id", "max_position_embeddings",
        "hidden_size", "vocab_size", "rope_theta")  # fmt: skip
NAMES = st.sampled_from([{"name": "default"}, {"name": "tool_use"}, {}, {"name": 5}])


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=200)
@given(
    config=ODD | st.fixed_dictionaries({}, optional=dict.fromkeys(KEYS, ODD)),
    template=ODD | st.lists(st.builds(lambda name, text: {**name, "template": text}, NAMES, ODD)),
    jinja=st.none() | st.binary(max_size=9),
    graph=st.binary(max_size=99),
)
def test_one_odd_card_costs_one_card(
    io_loop: IOLoop,
    api: Api,
    folder: Path,
    config: Any,
    template: Any,
    jinja: bytes | None,
    graph: bytes,
) -> None:
    write_json(folder / "config.json", config)
    write_json(folder / "tokenizer_config.json", {"chat_template": template})
    (folder / "openvino_model.xml").write_bytes(graph)
    (folder / "chat_template.jinja").unlink(missing_ok=True)
    if jinja is not None:
        (folder / "chat_template.jinja").write_bytes(jinja)
    read_metadata.cache_clear()
    api.model.config = replace(api.model.config, path=folder)
    io_loop.run_sync(lambda: check_cards(api))
    with suppress(LoadError):
        ModelFiles.read(folder)


def write_json(file: Path, value: Any) -> None:
    file.write_text(json.dumps(value))


async def check_cards(api: Api) -> None:
    async with api.client() as client:
        answers = {
            "tags": await client.get("/api/tags"),
            "ps": await client.get("/api/ps"),
            "show_response": await client.post("/api/show", json={"model": "demo"}),
        }
    for schema, answer in answers.items():
        assert answer.status_code == 200
        SCHEMAS.validate(f"ollama/{schema}", json.loads(answer.text, parse_constant=pytest.fail))


def test_the_digest_tells_models_apart(folder: Path, tmp_path: Path) -> None:
    first = read_metadata(folder).digest
    (folder / "config.json").write_text(json.dumps({**CONFIG, "hidden_size": 1025}))
    read_metadata.cache_clear()
    second = read_metadata(folder).digest
    assert len({first, second}) == 2
    assert len(first) == 64


def test_what_is_missing_leaves_gaps(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{")
    assert read_metadata(tmp_path).family == ""
    assert read_metadata(tmp_path / "absent").size == 0


# --- the endpoints ---


async def test_tags(api: Api) -> None:
    (model,) = (await get(api, "/api/tags"))["models"]
    assert model["name"] == model["model"] == "demo:latest"
    assert model["details"]["format"] == "openvino"


async def test_running_models(api: Api) -> None:
    (model,) = (await get(api, "/api/ps"))["models"]
    assert model["context_length"] == 4096
    assert model["size_vram"] == 0
    api.engine.state = EngineState("loading")
    assert await get(api, "/api/ps") == {"models": []}
    assert len((await get(api, "/api/tags"))["models"]) == 1


async def test_the_version(api: Api) -> None:
    """`codex --oss` and others want a version of Ollama that is new enough."""
    answer = await get(api, "/api/version")
    assert answer["ovapi_version"] == __version__
    assert tuple(map(int, answer["version"].split("."))) >= (0, 13, 4)


@pytest.mark.parametrize("body", [{"model": "demo"}, {"name": "gpt-4o:latest", "verbose": True}])
async def test_show(api: Api, body: dict[str, Any]) -> None:
    async with api.client() as client:
        response = await client.post("/api/show", json=body)
    answer = response.json()
    SCHEMAS.validate("ollama/show_response", answer)
    assert answer["capabilities"] == ["completion"]
    assert "temperature                    0.7" in answer["parameters"]


TOOLS = "{% for tool in tools or [] %}<tool_call>{{ tool.function.name }}{% endfor %}"
THINKING = "{% if enable_thinking %}<think>{% endif %}"


@pytest.mark.parametrize(
    ("template", "capabilities"),
    [
        (TOOLS + THINKING, ["tools", "thinking"]),
        (TOOLS, ["tools"]),
        (THINKING, ["thinking"]),
        ("{{ tools }} in no form that anybody knows", []),
        ("{# tools, <think #}{{ messages }}", []),
        ("{% broken", []),
    ],
)
async def test_show_tells_what_the_template_can_do(
    api: Api,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    template: str,
    capabilities: list[str],
) -> None:
    (folder / "chat_template.jinja").write_text(template)
    monkeypatch.setattr(api.model, "config", replace(api.model.config, path=folder))
    async with api.client() as client:
        answer = (await client.post("/api/show", json={"model": "demo"})).json()
    assert answer["capabilities"] == ["completion", *capabilities]


async def test_show_tells_what_the_loaded_model_can_do(api: Api) -> None:
    speak(api.engine, HERMES)
    async with api.client() as client:
        answer = (await client.post("/api/show", json={"model": "demo"})).json()
    assert answer["capabilities"] == ["completion", "tools", "thinking"]


async def test_show_of_nothing(api: Api) -> None:
    assert await refused(api, "/api/show", {}) == (400, "model is required")
    assert await refused(api, "/api/show", {"model": "x"}) == (404, "model 'x' not found")


# --- what all have in common ---


async def test_what_is_not_there_is_refused_as_ollama_does(api: Api) -> None:
    for path in ("/api/pull", "/api/embed", "/api/", "/api/nothing/here"):
        status, message = await refused(api, path, {"model": "demo"})
        assert status == 404
        assert message
    assert await refused(api, "/api/pull", {"model": "demo"}) == (
        404,
        "This server does not have /api/pull: models are added in its configuration. "
        "GET / lists the endpoints.",
    )
    async with api.client() as client:
        response = await client.get("/api/chat")
    assert response.status_code == 405
    SCHEMAS.validate("ollama/error", response.json())


async def test_ollamas_clients_look_for_the_server(api: Api) -> None:
    async with api.client() as client:
        assert (await client.head("/")).status_code == 200


CURLS = [
    {},
    {"Content-Type": "application/x-www-form-urlencoded"},
    {"Content-Type": "text/plain;charset=UTF-8"},
    {"Content-Type": "application/json"},
]


@pytest.mark.parametrize("headers", CURLS)
async def test_a_program_need_not_say_that_it_sends_json(api: Api, headers: dict[str, str]) -> None:
    api.engine.scripts.append(script("Ha!"))
    body = b'{"model": "demo", "prompt": "Hi"}'
    async with api.client() as client:
        response = await client.post("/api/generate", content=body, headers=headers)
    assert response.status_code == 200


@pytest.mark.parametrize("headers", CURLS[:3])
@pytest.mark.parametrize(
    "browser", [{"Sec-Fetch-Site": "cross-site"}, {"Referer": "https://evil.example/"}]
)
async def test_a_browser_must_say_it(
    api: Api, headers: dict[str, str], browser: dict[str, str]
) -> None:
    """Else any page could send it without asking."""
    async with api.client() as client:
        response = await client.post(
            "/api/generate", content=b'{"model": "demo"}', headers={**headers, **browser}
        )
    assert response.status_code == 415
    SCHEMAS.validate("ollama/error", response.json())


@pytest.mark.parametrize("origin", ["https://evil.example", "null"])
async def test_a_foreign_page_is_refused(api: Api, origin: str) -> None:
    async with api.client() as client:
        response = await client.post(
            "/api/generate", content=b'{"model": "demo"}', headers={"Origin": origin}
        )
    assert response.status_code == 403


async def test_other_encodings_are_refused(api: Api) -> None:
    headers = {"Content-Type": "text/plain; charset=latin-1"}
    async with api.client() as client:
        response = await client.post("/api/generate", content=b"{}", headers=headers)
    assert response.status_code == 415
