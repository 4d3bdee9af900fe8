"""Keys, origins and TLS as a real server keeps them, from outside."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import trustme

from bench.server_process import ServerProcess
from soak.client.prompts import GREETING, chat

SECRET = "a-very-secret-key"
CHAT = "/v1/chat/completions"


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A server with a key, behind TLS."""
    folder = tmp_path_factory.mktemp("guarded")
    authority = trustme.CA()
    certificate = authority.issue_cert("127.0.0.1", "localhost")
    authority.cert_pem.write_to_path(str(folder / "authority.pem"))
    certificate.private_key_pem.write_to_path(str(folder / "key.pem"))
    certificate.cert_chain_pems[0].write_to_path(str(folder / "cert.pem"))
    (folder / "keys.txt").write_text(f"alice {SECRET}\n")
    settings = {
        "server": {"tls": {"certificate": "cert.pem", "key": "key.pem"}},
        "auth": {"keys_file": "keys.txt"},
    }
    with ServerProcess(folder, settings) as server:
        server.wait_for_log("ready on CPU")
        yield server


@pytest.fixture
def client(guarded: ServerProcess) -> Iterator[httpx.Client]:
    authority = guarded.config_file.with_name("authority.pem")
    context = ssl.create_default_context(cafile=str(authority))
    with httpx.Client(base_url=guarded.url, verify=context, timeout=60) as client:
        yield client


def test_tls_carries_an_answer(client: httpx.Client) -> None:
    response = client.post(CHAT, json=chat(GREETING), headers={"X-Api-Key": SECRET})
    assert response.status_code == 200
    assert response.json()["choices"][0]["message"]["content"]


def test_plain_http_gets_nothing(guarded: ServerProcess) -> None:
    with pytest.raises(httpx.TransportError):
        httpx.get(guarded.url.replace("https:", "http:") + "/health")


@pytest.mark.parametrize("path", ["/", "/v1/models", "/metrics", "/api/tags", "/nowhere"])
@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
def test_every_path_wants_a_key(client: httpx.Client, method: str, path: str) -> None:
    response = client.request(method, path)
    assert response.status_code == 401
    assert response.headers["WWW-Authenticate"] == "Bearer"


def test_health_is_public(client: httpx.Client) -> None:
    assert client.get("/health").status_code == 200


def test_the_log_names_the_key_and_never_shows_it(
    client: httpx.Client, guarded: ServerProcess
) -> None:
    good = client.get("/v1/models", headers={"Authorization": f"Bearer {SECRET}"})
    bad = client.get("/v1/models", headers={"Authorization": "Bearer wrong-secret"})
    assert (good.status_code, bad.status_code) == (200, 401)
    guarded.wait_for_log("alice")
    assert SECRET not in guarded.log
    assert "wrong-secret" not in guarded.log


def test_a_foreign_page_cannot_reach_a_server_on_loopback(batching_server: ServerProcess) -> None:
    for headers in ({"Host": "evil.example"}, {"Origin": "https://evil.example"}):
        response = httpx.post(f"{batching_server.url}{CHAT}", json=chat(GREETING), headers=headers)
        assert response.status_code == 403


def test_a_certificate_that_is_missing_is_said_plainly(tmp_path: Path) -> None:
    tls = {"certificate": "absent.pem", "key": "absent.pem"}
    server = ServerProcess(tmp_path, {"server": {"tls": tls}})
    with pytest.raises(AssertionError, match="the server has ended"):
        server.start()
    assert server.process.wait(10) == 2
    assert "server.tls.certificate (line" in server.log
    assert "Traceback" not in server.log


def test_a_server_that_anybody_can_use_says_so_loudly(tmp_path: Path) -> None:
    with ServerProcess(tmp_path, {"server": {"host": "0.0.0.0"}, "models_dir": "none"}) as server:
        server.wait_for_log("no API keys configured")
