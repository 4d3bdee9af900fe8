"""The endpoints that tell what there is: models, health, the page at the root."""

from __future__ import annotations

from typing import Any

import pytest

from ovapi.api.dialects import DIALECTS
from ovapi.api.docs.markdown import generate
from ovapi.engine.base import EngineState, EngineStats
from ovapi.http.dialect import URL
from tests.support.api import SCHEMAS, Api
from tests.support.languages import HERMES, speak


async def get(api: Api, path: str, schema: str, **headers: str) -> dict[str, Any]:
    async with api.client() as client:
        response = await client.get(path, headers=headers)
    assert response.status_code == 200
    body: dict[str, Any] = response.json()
    SCHEMAS.validate(schema, body)
    return body


async def test_models(api: Api) -> None:
    body = await get(api, "/v1/models", "openai/models")
    assert [one["id"] for one in body["data"]] == ["demo"]
    assert body["data"][0]["max_model_len"] == 4096
    assert (body["data"][0]["root"], body["data"][0]["parent"]) == ("demo", None)


@pytest.mark.parametrize("name", ["demo", "gpt-4o"])
async def test_one_model(api: Api, name: str) -> None:
    assert (await get(api, f"/v1/models/{name}", "openai/model"))["id"] == "demo"


async def test_a_model_that_loads_is_listed(api: Api) -> None:
    api.engine.state = EngineState("loading")
    body = await get(api, "/v1/models", "openai/models")
    assert body["data"][0]["max_model_len"] is None


@pytest.mark.parametrize(
    ("state", "status"),
    [("ready", "ok"), ("loading", "loading"), ("failed", "degraded"), ("stopped", "degraded")],
)
async def test_health(api: Api, state: Any, status: str) -> None:
    api.engine.state = EngineState(state, "why")
    api.engine.stats = EngineStats(running=2, waiting=3)
    body = await get(api, "/health", "system/health")
    assert body["status"] == status
    assert body["models"]["demo"] == {
        "status": state,
        "detail": "why",
        "engine": "fake",
        "device": "CPU",
        "running": 2,
        "waiting": 3,
    }


async def test_the_page(api: Api) -> None:
    api.engine.state = EngineState("failed", "<script>alert(1)</script>")
    async with api.client() as client:
        response = await client.get("/", headers={"Accept": "text/html"})
    assert response.headers["Content-Type"] == "text/html; charset=utf-8"
    for text in ("demo", "/v1/chat/completions", "/api_documentation.md", "&lt;script&gt;"):
        assert text in response.text
    assert "<script>" not in response.text


async def test_the_page_as_json(api: Api) -> None:
    async with api.client() as client:
        body = (await client.get("/", headers={"Accept": "application/json"})).json()
    assert body["name"] == "ovapi"
    assert "GET /health" in body["endpoints"]


async def test_the_documentation(api: Api) -> None:
    async with api.client() as client:
        response = await client.get("/api_documentation.md")
    assert response.headers["Content-Type"] == "text/plain; charset=utf-8"
    text = generate(DIALECTS, SCHEMAS)
    assert response.text == text.replace(URL, api.url).replace("http://HOST:PORT", api.url)


async def test_there_is_no_icon(api: Api) -> None:
    async with api.client() as client:
        assert (await client.get("/favicon.ico")).status_code == 204


async def test_models_tell_how_they_write(api: Api) -> None:
    speak(api.engine, HERMES)
    async with api.client() as client:
        model = (await client.get("/v1/models/demo")).json()
    SCHEMAS.validate("openai/model", model)
    assert model["language"] == {
        "family": "hermes",
        "tools": True,
        "tool_format": "hermes",
        "thinking": True,
        "reasoning_format": "think",
    }
