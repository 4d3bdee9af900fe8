"""A server behind a reverse proxy: who asks, by which URL, and below which path."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tornado.httputil import HTTPHeaders, HTTPServerRequest, RequestStartLine

from ovapi.config.loader import load
from ovapi.config.yaml_document import ConfigError
from ovapi.http.connection.proxies import TrustedProxies
from soak.client.bodies import CHAT, chat
from tests.support.api import Api
from tests.support.fake_engine import script

PUBLIC = {"X-Forwarded-Proto": "https", "X-Forwarded-Host": "chat.example"}


def configure(api: Api, **settings: Any) -> Api:
    config = api.app.context.config
    api.app.configure(replace(config, server=replace(config.server, **settings)))
    return api


@pytest.fixture
def proxied(api: Api) -> Api:
    """Below /llm, behind a proxy on this machine."""
    return configure(api, base_path="/llm", trusted_proxies=("127.0.0.0/8",))


def seen(peer: str, *forwarded: str, trusted: tuple[str, ...] = ("10.0.0.0/8", "::1")) -> str:
    """The client's address, for a request from `peer` with these X-Forwarded-For."""
    headers = HTTPHeaders()
    for one in forwarded:
        headers.add("X-Forwarded-For", one)
    line = RequestStartLine("GET", "/", "HTTP/1.0")
    request = HTTPServerRequest(start_line=line, headers=headers)
    request.remote_ip = peer
    TrustedProxies(trusted).apply(request)
    return str(request.remote_ip)


@pytest.mark.parametrize(
    ("peer", "forwarded", "client"),
    [
        ("10.0.0.1", ["1.2.3.4"], "1.2.3.4"),
        ("::ffff:10.0.0.1", ["1.2.3.4"], "1.2.3.4"),
        ("::1", ["2001:db8::1"], "2001:db8::1"),
        ("10.0.0.1", ["6.6.6.6, 1.2.3.4, 10.0.0.2"], "1.2.3.4"),
        ("10.0.0.1", ["6.6.6.6", "1.2.3.4"], "1.2.3.4"),
        ("10.0.0.1", ["10.0.0.3, 10.0.0.2"], "10.0.0.3"),
        ("10.0.0.1", ["unknown, 10.0.0.2"], "10.0.0.2"),
        ("10.0.0.1", ["1.2.3.4\t'; DROP"], "10.0.0.1"),
        ("10.0.0.1", [""], "10.0.0.1"),
        ("10.0.0.1", [], "10.0.0.1"),
        ("11.0.0.1", ["1.2.3.4"], "11.0.0.1"),
    ],
)
def test_the_clients_address(peer: str, forwarded: list[str], client: str) -> None:
    assert seen(peer, *forwarded) == client


def test_nobody_is_believed_by_default() -> None:
    assert seen("127.0.0.1", "1.2.3.4", trusted=()) == "127.0.0.1"


async def test_the_log_has_the_clients_address(
    proxied: Api, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "ovapi.access")
    async with proxied.client() as client:
        await client.get("/llm/health", headers={"X-Forwarded-For": "1.2.3.4"})
    assert "1.2.3.4 '-' GET '/llm/health' 200" in caplog.text


@pytest.mark.parametrize("below", ["/llm", ""])
async def test_paths_work_with_the_prefix_and_without(proxied: Api, below: str) -> None:
    proxied.engine.scripts.append(script("Hi"))
    async with proxied.client() as client:
        assert (await client.post(below + CHAT, json=chat())).status_code == 200
        assert (await client.get(f"{below}/v1/models/demo")).json()["id"] == "demo"
        assert (await client.get(f"{below}/")).status_code == 200
        assert (await client.get(f"{below}/nothing")).status_code == 404


async def test_only_the_whole_prefix_counts(proxied: Api) -> None:
    async with proxied.client() as client:
        assert (await client.get("/llm")).status_code == 200
        assert (await client.get("/llmhealth")).status_code == 404
        assert (await client.get("/llm/llm/health")).status_code == 404


@pytest.mark.parametrize(
    ("headers", "url"), [(PUBLIC, "https://chat.example/llm"), ({}, "{url}/llm")]
)
async def test_pages_show_the_public_url(proxied: Api, headers: dict[str, str], url: str) -> None:
    url = url.format(url=proxied.url)
    async with proxied.client() as client:
        page = (await client.get("/llm/", headers=headers)).text
        documentation = (await client.get("/llm/api_documentation.md", headers=headers)).text
        document = (await client.get("/llm/openapi.json", headers=headers)).json()
        index = (await client.get("/", headers={"Accept": "application/json"})).json()
    assert f"curl {url}/v1/chat/completions" in page
    assert 'href="/llm/api_documentation.md"' in page
    assert f"curl {url}/v1/completions" in documentation
    assert "127.0.0.1:8000" not in documentation
    assert "HOST:PORT" not in documentation
    assert document["servers"] == [{"url": "/llm"}]
    assert index["documentation"] == "/llm/api_documentation.md"


async def test_strangers_do_not_choose_what_pages_show(api: Api) -> None:
    configure(api, trusted_proxies=("10.0.0.0/8",))
    async with api.client() as client:
        page = (await client.get("/", headers=PUBLIC)).text
    assert "chat.example" not in page
    assert f"curl {api.url}/v1" in page


async def test_a_page_of_the_proxys_own_host_may_ask(proxied: Api) -> None:
    proxied.engine.scripts.append(script("Hi"))
    own = {**PUBLIC, "Origin": "https://chat.example"}
    async with proxied.client() as client:
        assert (await client.post(CHAT, json=chat(), headers=own)).status_code == 200
        foreign = {**own, "Origin": "https://evil.example"}
        assert (await client.post(CHAT, json=chat(), headers=foreign)).status_code == 403


async def test_a_forwarded_host_does_not_hide_a_foreign_one(proxied: Api) -> None:
    """A page that rebinds its name to 127.0.0.1 can send any header but Host."""
    headers = {"Host": "evil.example", "X-Forwarded-Host": "127.0.0.1"}
    async with proxied.client() as client:
        assert (await client.get("/v1/models", headers=headers)).status_code == 403


@pytest.mark.parametrize(
    "settings",
    [
        {"trusted_proxies": ["proxy.example"]},
        {"trusted_proxies": ["10.0.0.0/40"]},
        {"base_path": "llm"},
        {"base_path": "/llm/"},
        {"base_path": "/a b"},
    ],
)
def test_a_wrong_setting_is_named(tmp_path: Path, settings: dict[str, Any]) -> None:
    file = tmp_path / "config.yaml"
    file.write_text(json.dumps({"server": settings}))
    with pytest.raises(ConfigError, match=f"server.{next(iter(settings))}"):
        load(file)
