"""What holds for the paths of every endpoint: HEAD, slashes at their ends, other names."""

from __future__ import annotations

import pytest

from ovapi.api.dialects import DIALECTS
from ovapi.http.dialect import Endpoint
from soak.client.bodies import CHAT, chat
from tests.support.api import Api
from tests.support.fake_engine import script

GETS = [one for dialect in DIALECTS for one in dialect.endpoints if one.verb == "GET"]


@pytest.mark.parametrize("slash", ["", "/"])
@pytest.mark.parametrize("endpoint", GETS, ids=lambda one: one.path)
async def test_head_is_get_without_the_body(api: Api, endpoint: Endpoint, slash: str) -> None:
    for path in (endpoint.path, *endpoint.also):
        path = path.replace("{id}", "demo").rstrip("/") + slash
        async with api.client() as client:
            got, head = await client.get(path or "/"), await client.head(path or "/")
        assert got.status_code == head.status_code < 300
        assert head.content == b""
        assert head.headers.get("Content-Type") == got.headers.get("Content-Type")


@pytest.mark.parametrize("path", [CHAT, f"{CHAT}/", "/chat/completions", "/v3/chat/completions"])
async def test_chats_by_any_path(api: Api, path: str) -> None:
    api.engine.scripts.append(script("Hi"))
    async with api.client() as client:
        assert (await client.post(path, json=chat())).status_code == 200


@pytest.mark.parametrize("path", ["/v1/completions/", "/completions"])
async def test_completions_by_any_path(api: Api, path: str) -> None:
    api.engine.scripts.append(script("Hi"))
    async with api.client() as client:
        assert (await client.post(path, json={"prompt": "x"})).status_code == 200
