"""What every endpoint does: methods, request ids, refusals, keys, origins, the log."""

from __future__ import annotations

import logging
import re
from dataclasses import replace
from typing import Any

import pytest

from ovapi.api.dialects import DIALECTS
from ovapi.api.openai.models import ModelList
from ovapi.config.keyring import Keyring
from ovapi.config.settings import ServerConfig
from ovapi.http.unknown_path import ABSENT
from soak.client.bodies import CHAT, HELLO
from soak.client.raw import connect, post
from tests.support.api import LIMITS, SCHEMAS, Api
from tests.support.fake_engine import script

PATHS = [
    CHAT,
    "/v1/models",
    "/v1/models/demo",
    "/health",
    "/",
    "/favicon.ico",
    "/api_documentation.md",
]


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
async def test_every_method_of_every_path(api: Api, method: str, path: str) -> None:
    async with api.client() as client:
        response = await client.request(method, path)
    takes = ["POST"] if path == CHAT else ["GET", "HEAD"]
    if method == "OPTIONS":
        assert response.status_code == 204
        assert response.headers["Allow"] == ", ".join([*takes, "OPTIONS"])
    elif method in takes:
        assert response.status_code in (200, 204, 415)
    else:
        assert response.status_code == 405
        assert response.headers["Allow"] == ", ".join([*takes, "OPTIONS"])
        if method != "HEAD":
            SCHEMAS.validate("openai/error", response.json())
    assert response.headers["Server"] == "ovapi"
    assert response.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize("path", ["/v1/models", "/health", "/"])
async def test_head_is_get_without_the_body(api: Api, path: str) -> None:
    async with api.client() as client:
        get, head = await client.get(path), await client.head(path)
    assert head.content == b""
    assert head.headers["Content-Length"] == get.headers["Content-Length"]


UNKNOWN = [
    "/nothing",
    "/v1",
    "/v1/",
    "/v1/chat",
    "//health",
    "/V1/MODELS",
]
UNKNOWN_MODELS = ["unknown", "%2e%2e/%2e%2e/etc/passwd", "..%2f..%2fetc", "/etc/passwd", "a%00b"]


@pytest.mark.parametrize(
    "path", [*UNKNOWN, "/%0d%0aX:y", *(f"/v1/models/{m}" for m in UNKNOWN_MODELS)]
)
async def test_an_unknown_path_is_404(api: Api, path: str) -> None:
    async with connect(api.port) as raw:
        await raw.send(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode())
        status, body = await raw.response()
    assert status == 404
    SCHEMAS.validate("openai/error", body)


@pytest.mark.parametrize(
    ("path", "named"),
    [
        ("/v1/embeddings", "/v1/embeddings: it serves no embeddings."),
        ("/v3/audio/transcriptions", "/v3/audio: it reads and writes text only."),
        ("/responses/resp_1", "/responses: use /v1/chat/completions."),
        ("/v1/messages", "/v1/messages: use /v1/chat/completions."),
        ("/slots", "/slots: GET /health has the state of each model."),
    ],
)
async def test_what_other_servers_have_is_named(api: Api, path: str, named: str) -> None:
    async with api.client() as client:
        response = await client.post(path, json={})
    assert response.status_code == 404
    error = response.json()["error"]
    assert error["message"].startswith(f"This server does not have {named}")
    assert error["code"] == "unsupported_endpoint"


def test_nothing_is_called_absent_that_is_there() -> None:
    served = [pattern for dialect in DIALECTS for pattern, _ in dialect.routes()[:-1]]
    for path in ABSENT:
        for prefix in ("", "/v1", "/v3"):
            assert not any(re.fullmatch(pattern, prefix + path) for pattern in served)


@pytest.mark.parametrize("path", UNKNOWN)
async def test_posting_to_an_unknown_path_is_404(api: Api, path: str) -> None:
    async with connect(api.port) as raw:
        await raw.send(post(b"x" * 100_000, path))
        assert (await raw.response())[0] == 404
        await raw.send(post(b"{}"))
        assert (await raw.response())[0] == 400


async def test_a_path_that_is_not_text_is_400(api: Api) -> None:
    async with api.client() as client:
        response = await client.get("/v1/models/%ff%fe")
    assert response.status_code == 400
    SCHEMAS.validate("openai/error", response.json())


@pytest.mark.parametrize(
    ("given", "kept"),
    [("abc-1.2:3_4", True), ("x" * 128, True), ("x" * 129, False), ("a b", False), ("é", False)],
)
async def test_the_request_id(api: Api, given: str, kept: bool) -> None:
    async with api.client() as client:
        response = await client.get("/health", headers={b"X-Request-ID": given.encode()})
        error = await client.get("/nothing", headers={b"X-Request-ID": given.encode()})
    assert (response.headers["X-Request-ID"] == given) is kept
    assert (error.headers["X-Request-ID"] == given) is kept


async def test_draining_refuses_what_is_new(api: Api) -> None:
    api.app.drain(on_idle=lambda: None)
    async with api.client() as client:
        refused = await client.post(CHAT, json=HELLO)
        models = await client.get("/v1/models")
        health = await client.get("/health")
    assert refused.status_code == models.status_code == 503
    assert refused.json()["error"]["code"] == "server_draining"
    assert int(refused.headers["Retry-After"]) > 0
    assert health.status_code == 200
    assert health.json()["status"] == "draining"


async def test_a_fault_of_ours_is_a_neutral_500(
    api: Api, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(_: ModelList) -> None:
        raise RuntimeError("secret detail at /home/someone")

    monkeypatch.setattr(ModelList, "get", broken)
    async with api.client() as client:
        response = await client.get("/v1/models")
    assert response.status_code == 500
    SCHEMAS.validate("openai/error", response.json())
    assert "secret" not in response.text
    assert "secret detail" in caplog.text
    assert api.app.active == 0


async def test_one_line_a_request_whatever_it_holds(
    api: Api, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "ovapi.access")
    async with connect(api.port) as raw:
        request = "GET /v1/models/a%0ab\x1b[31m\x7f\x9b HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
        await raw.send(request.encode("latin-1"))
        await raw.head()
    async with api.client() as client:
        await client.post(CHAT, json={**HELLO, "model": "a\nb\x1b[31m"})
    lines = [one.getMessage() for one in caplog.records if one.name == "ovapi.access"]
    assert all(line.isascii() and line.isprintable() for line in lines)
    assert lines[-1].endswith(" model_not_found")
    assert len(lines) == 2 or (len(lines) == 1 and "chat" in lines[0])


class TestKeys:
    """A server with keys."""

    @pytest.fixture
    def keys(self) -> Keyring:
        return Keyring.parse("ann sesame", "keys")

    @pytest.mark.parametrize("method", ["GET", "POST", "DELETE", "HEAD"])
    @pytest.mark.parametrize("path", [*PATHS, "/nothing", "/v1/models/x/../y"])
    async def test_every_route_but_health_needs_one(self, api: Api, method: str, path: str) -> None:
        async with api.client() as client:
            response = await client.request(method, path)
        if path == "/health":
            assert response.status_code in (200, 405)
            return
        assert response.status_code == 401
        assert response.headers["WWW-Authenticate"] == "Bearer"
        if method != "HEAD":
            SCHEMAS.validate("openai/error", response.json())
            assert response.json()["error"]["code"] == "invalid_api_key"

    @pytest.mark.parametrize(
        "headers", [{"Authorization": "Bearer sesame"}, {"X-Api-Key": "sesame"}]
    )
    async def test_with_a_key(
        self, api: Api, headers: dict[str, str], caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.INFO, "ovapi.access")
        api.engine.scripts.append(script("Hi"))
        async with api.client() as client:
            response = await client.post(CHAT, json=HELLO, headers=headers)
        assert response.status_code == 200
        assert "'ann'" in caplog.text
        assert "sesame" not in caplog.text

    async def test_the_body_of_a_stranger_is_not_kept(self, api: Api) -> None:
        async with api.client() as client:
            response = await client.post(CHAT, content=b"x" * 900_000)
        assert response.status_code == 401


@pytest.mark.parametrize(
    "headers", [{"Host": "evil.example"}, {"Origin": "https://evil.example"}, {"Origin": "null"}]
)
async def test_foreign_pages_are_403(api: Api, headers: dict[str, Any]) -> None:
    async with api.client() as client:
        response = await client.post(CHAT, json=HELLO, headers=headers)
    assert response.status_code == 403
    assert "Access-Control-Allow-Origin" not in response.headers
    assert not api.engine.requests


class TestOrigins:
    """A server that lists the origin of a page, and has keys."""

    PAGE = "https://chat.example"

    @pytest.fixture
    def limits(self) -> ServerConfig:
        return replace(LIMITS, cors_origins=(self.PAGE,))

    @pytest.fixture
    def keys(self) -> Keyring:
        return Keyring.parse("ann sesame", "keys")

    async def test_the_browser_asks_first(self, api: Api) -> None:
        async with api.client() as client:
            response = await client.options(CHAT, headers={"Origin": self.PAGE})
        assert response.status_code == 204
        assert response.headers["Access-Control-Allow-Origin"] == self.PAGE
        assert "POST" in response.headers["Access-Control-Allow-Methods"]
        assert "Authorization" in response.headers["Access-Control-Allow-Headers"]

    @pytest.mark.parametrize("body", [HELLO, {}, {**HELLO, "stream": True}])
    async def test_every_answer_can_be_read(self, api: Api, body: dict[str, Any]) -> None:
        api.engine.scripts.append(script("Hi"))
        headers = {"Origin": self.PAGE, "Authorization": "Bearer sesame"}
        async with api.client() as client:
            response = await client.post(CHAT, json=body, headers=headers)
        assert response.status_code == (200 if body else 400)
        assert response.headers["Access-Control-Allow-Origin"] == self.PAGE
        assert "X-Request-ID" in response.headers["Access-Control-Expose-Headers"]

    async def test_a_refusal_can_be_read(self, api: Api) -> None:
        async with api.client() as client:
            response = await client.post(CHAT, json=HELLO, headers={"Origin": self.PAGE})
        assert response.status_code == 401
        assert response.headers["Access-Control-Allow-Origin"] == self.PAGE

    async def test_another_page_is_403(self, api: Api) -> None:
        async with api.client() as client:
            response = await client.options(CHAT, headers={"Origin": "https://evil.example"})
        assert response.status_code == 403
        assert "Access-Control-Allow-Origin" not in response.headers
