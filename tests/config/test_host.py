"""The address to listen on: what nobody can listen on is refused when the file is read."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from ovapi.cli.main import main
from ovapi.config.loader import load
from ovapi.config.values.host import problem_of_host
from ovapi.config.yaml_document import ConfigError

USABLE = [
    "127.0.0.1", "127.1", "0", "0.0.0.0", "::", "::1", "fe80::1%eth0", "::ffff:127.0.0.1",
    "localhost", "localhost.", "box-1.local", "my_box", "büro.example", "a" * 63,
]  # fmt: skip
UNUSABLE = {
    "[::1]": "write an IPv6 address without brackets",
    "[::1]:80": "write an IPv6 address without brackets",
    "127.0.0.1:80": "write the port into server.port",
    "localhost:http": "write the port into server.port",
    "http://x": "write it without scheme and path",
    "x/y": "write it without scheme and path",
    "a\0b": "cannot be printed",
    "a\nb": "cannot be printed",
    "a" * 300: "is not a host name or IP address",
    ".".join(["a" * 60] * 5): "is not a host name or IP address",
    "a..b": "is not a host name or IP address",
    "a b": "is not a host name or IP address",
    "*": "is not a host name or IP address",
    "1:2:3": "is not a host name or IP address",
    "": "is empty",
}


@pytest.mark.parametrize("host", USABLE)
def test_what_can_be_listened_on(host: str) -> None:
    assert problem_of_host(host) is None


@pytest.mark.parametrize("host", UNUSABLE)
def test_what_cannot(tmp_path: Path, host: str) -> None:
    assert UNUSABLE[host] in (problem_of_host(host) or "")
    file = tmp_path / "config.yaml"
    file.write_text(yaml.safe_dump({"models": "none", "server": {"host": host}}))
    with pytest.raises(ConfigError, match=r"server.host \(line 3\): "):
        load(file)
    file.write_text("models: none\n")
    with pytest.raises(ConfigError, match=r"^--host: "):
        load(file, host=host)


def test_an_ipv6_address_is_shown_in_brackets(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "config.yaml"
    file.write_text("models: none\nserver: {host: '::1'}\n")
    assert main(["--config", str(file), "--check"]) == 0
    assert "listen on http://[::1]:8000\n" in capsys.readouterr().out
