"""Certificates that cannot be used are named when the configuration is read."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
import trustme
from cryptography.hazmat.primitives import serialization

from ovapi.cli.main import main
from ovapi.config.loader import load
from ovapi.config.settings import TlsConfig
from ovapi.config.yaml_document import ConfigError

TEXT = "models: none\nserver:\n  tls:\n    certificate: c.pem\n    key: k.pem\n"


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def file(tmp_path: Path, authority: trustme.CA) -> Path:
    """A configuration beside its certificate and key."""
    one = authority.issue_cert("localhost")
    one.cert_chain_pems[0].write_to_path(str(tmp_path / "c.pem"))
    one.private_key_pem.write_to_path(str(tmp_path / "k.pem"))
    (tmp_path / "config.yaml").write_text(TEXT)
    return tmp_path / "config.yaml"


def test_files_are_found_beside_the_file(file: Path) -> None:
    assert load(file).server.tls == TlsConfig(file.parent / "c.pem", file.parent / "k.pem")


def test_check_shows_the_scheme(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--config", str(file), "--check"]) == 0
    assert "listen on https://127.0.0.1:8000\n" in capsys.readouterr().out


def of_another(folder: Path) -> None:
    trustme.CA().issue_cert("a").private_key_pem.write_to_path(str(folder / "k.pem"))


def encrypted(folder: Path) -> None:
    key = serialization.load_pem_private_key((folder / "k.pem").read_bytes(), None)
    pem, pkcs8 = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    closed = serialization.BestAvailableEncryption(b"passphrase")
    (folder / "k.pem").write_bytes(key.private_bytes(pem, pkcs8, closed))


def fifo(folder: Path) -> None:
    (folder / "k.pem").unlink()
    os.mkfifo(folder / "k.pem")


@pytest.mark.parametrize(
    ("spoil", "expected"),
    [
        (lambda at: (at / "c.pem").unlink(), "certificate (line 4): {}/c.pem cannot be read: No"),
        (lambda at: (at / "k.pem").unlink(), "key (line 5): {}/k.pem cannot be read: No such"),
        (lambda at: (at / "c.pem").write_text("?"), "certificate (line 4): {}/c.pem is no cert"),
        (lambda at: (at / "k.pem").write_text("?"), "key (line 5): {}/k.pem is no private key"),
        (of_another, "key (line 5): {}/k.pem is not the key of the certificate"),
        (encrypted, "key (line 5): is encrypted"),
        (fifo, "key (line 5): {}/k.pem cannot be read: is not a regular file"),
    ],
)  # fmt: skip
def test_what_cannot_be_used_is_named(
    file: Path, spoil: Callable[[Path], object], expected: str
) -> None:
    spoil(file.parent)
    with pytest.raises(ConfigError) as caught:
        load(file)
    assert f"server.tls.{expected.format(file.parent)}" in str(caught.value)
