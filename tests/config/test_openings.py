"""A reload never opens what was closed: least of all because a file is cut short."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from ovapi.config.loader import load
from ovapi.config.reload import merge
from ovapi.config.settings import Config
from ovapi.config.yaml_document import ConfigError

WHOLE = """\
server:
  max_body_bytes: 100000
  max_connections: 20
  header_timeout: 5
  write_timeout: 6
logging: {prompts: false}
models_dir: served
limits:
  request_seconds: 60
  body_bytes: 1000000
  per_key: {concurrent: 4}
  keys:
    alice:
      requests_per_minute: 6
memory_budget: 6GB
models:
  - name: a
    path: a
    max_tokens_in_flight: 900
    queue_seconds: 3
    max_queued: 7
auth:
  keys_file: keys
"""
LIMITS = [
    "server.max_body_bytes", "server.max_connections", "server.header_timeout",
    "server.write_timeout", "limits.request_seconds", "limits.body_bytes",
    "limits.per_key.concurrent", "limits.keys.alice.requests_per_minute", "memory_budget",
    "models.0.max_tokens_in_flight", "models.0.queue_seconds", "models.0.max_queued",
]  # fmt: skip


@pytest.fixture(autouse=True)
def files(tmp_path: Path) -> None:
    (tmp_path / "keys").write_text("alice a-secret\nbob another\n")
    (tmp_path / "k").write_text("")  # a name of a file, cut short, may be that of another file


def read(folder: Path, text: str) -> Config:
    file = folder / "config.yaml"
    file.write_text(text)
    return load(file)


def opened(old: Config, new: Config) -> str:
    return "; ".join(merge(old, new).opened)


def is_closed(config: Config) -> bool:
    """Whether it lets in and takes no more than WHOLE does."""
    server, limits = config.server, config.limits
    alice, bob = (limits.keys.get(name, limits.per_key) for name in ("alice", "bob"))
    model = next(model for model in config.models if model.name == "a")
    bounds = [
        (server.max_body_bytes, 100_000), (server.max_connections, 20),
        (server.header_timeout, 5), (server.write_timeout, 6),
        (limits.request_seconds, 60), (limits.body_bytes, 1_000_000),
        (bob.concurrent, 4), (alice.requests_per_minute, 6),
        (config.memory_budget, 6 * 10**9), (model.max_tokens_in_flight, 900),
        (model.queue_seconds, 3), (model.max_queued, 7),
    ]  # fmt: skip
    return bool(config.keys) and all(now is not None and now <= most for now, most in bounds)


def test_a_file_cut_short_anywhere_opens_nothing(tmp_path: Path) -> None:
    """Also where the end of the last line says nothing, since it had none before."""
    whole = replace(read(tmp_path, WHOLE), complete=False)
    assert is_closed(whole)
    taken = refused = invalid = 0
    for end in range(len(WHOLE)):
        try:
            new = read(tmp_path, WHOLE[:end])
        except ConfigError:
            invalid += 1
            continue
        reload = merge(whole, new)
        if reload.opened:
            refused += 1
        else:
            taken += 1
            assert is_closed(reload.config), WHOLE[:end]
    assert min(taken, refused, invalid) > 0


ADDRESSES = """\
models: [{name: a}]
server:
  cors_origins: ["https://one.example", https://chat.example.com]
  allowed_hosts: [a.example]
  trusted_proxies:
    - 10.20.0.0/16
"""


def test_no_value_cut_short_is_taken(tmp_path: Path) -> None:
    """Half an address is another one: what is taken has only whole lines."""
    whole = read(tmp_path, ADDRESSES)
    valid = 0
    for end in range(len(ADDRESSES)):
        try:
            new = read(tmp_path, ADDRESSES[:end])
        except ConfigError:
            continue
        valid += 1
        whole_lines = ADDRESSES[:end].endswith("\n")
        assert ("the file is cut short" in opened(whole, new)) is not whole_lines
    assert valid > 10
    assert not opened(new, read(tmp_path, ADDRESSES[:-1]))  # who never ends it can go on so
    assert "cut short" not in opened(read(tmp_path, ADDRESSES), read(tmp_path, ADDRESSES))


@pytest.mark.parametrize("network", ["10.20.0.0/1", "0.0.0.0/0", "11.0.0.0/7", "2001:db8::/15"])
def test_no_proxy_has_so_many_addresses(tmp_path: Path, network: str) -> None:
    with pytest.raises(ConfigError, match=r"trusted_proxies\[0\] \(line 1\): is too wide"):
        read(tmp_path, f"server: {{trusted_proxies: ['{network}']}}")
    for narrow in ("10.0.0.0/8", "2001::/16", "10.1.2.3"):
        read(tmp_path, f"server: {{trusted_proxies: ['{narrow}']}}")


def test_an_empty_file_says_what_it_would_open(tmp_path: Path) -> None:
    found = opened(read(tmp_path, WHOLE), read(tmp_path, ""))
    assert "'auth: none'" in found
    assert "'models: none'" in found
    assert "memory_budget is gone" in found


@pytest.mark.parametrize("path", LIMITS)
def test_a_limit_that_is_gone_is_named(tmp_path: Path, path: str) -> None:
    whole, data = read(tmp_path, WHOLE), yaml.safe_load(WHOLE)
    *above, name = path.split(".")
    inner = data
    for key in above:
        inner = inner[int(key)] if key.isdecimal() else inner[key]
    del inner[name]
    shown = path.replace("models.0", "models.a")
    found = opened(whole, read(tmp_path, yaml.safe_dump(data)))
    assert found == f"{shown} is gone from the file: set it to the value that you want"


def test_the_file_may_say_so(tmp_path: Path) -> None:
    whole = read(tmp_path, WHOLE)
    for line in ("request_seconds: 60", "max_connections: 20", "max_queued: 7"):
        name = line.split(":")[0]
        assert not opened(whole, read(tmp_path, WHOLE.replace(line, f"{name}: 1000")))
    none = WHOLE.replace("concurrent: 4", "concurrent: null")
    assert not opened(whole, read(tmp_path, none))
    without_keys = WHOLE.replace("auth:\n  keys_file: keys", "auth: none")
    without_keys = without_keys.replace("    alice:\n      requests_per_minute: 6\n", "    {}\n")
    assert not opened(whole, read(tmp_path, without_keys))
    without_models = WHOLE[: WHOLE.index("models:\n")] + "models: none\n" + WHOLE[-25:]
    reload = merge(whole, read(tmp_path, without_models))
    assert (reload.opened, reload.config.models) == ((), ())


def test_closing_needs_no_word(tmp_path: Path) -> None:
    old = read(
        tmp_path,
        "server: {cors_origins: ['*'], allowed_hosts: [a.example]}\n"
        "logging: {prompts: true}\nmodels: [{name: a, aliases: [b]}, {name: c}]\n",
    )
    reload = merge(old, read(tmp_path, "auth: {keys_file: keys}\nmodels: [{name: a}]\n"))
    assert reload.opened == ()
    assert reload.config.server.cors_origins == reload.config.server.allowed_hosts == ()
    assert not reload.config.logging.prompts
    assert reload.config.keys


def test_addresses_wait_for_a_restart(tmp_path: Path) -> None:
    old = read(tmp_path, "server: {host: 127.0.0.1}\nmodels: [{name: a}]\n")
    reload = merge(old, read(tmp_path, "server: {host: 0.0.0.0}\nmodels: [{name: a}]\n"))
    assert (reload.left, reload.opened) == (("server.host",), ())
    assert reload.config.server.host == "127.0.0.1"


def test_the_default_folder_takes_no_place_unasked(tmp_path: Path) -> None:
    folder = tmp_path / "models" / "other"
    folder.mkdir(parents=True)
    (folder / "openvino_model.xml").touch()
    old = read(tmp_path, "models_dir: served\nmodels: [{name: a}]\n")
    assert "models_dir is gone" in opened(old, read(tmp_path, "models: [{name: a}]\n"))
    assert not opened(old, read(tmp_path, "models_dir: models\n"))


LOSSES: dict[str, Callable[[Path], object]] = {
    "is empty": lambda models: (models / "found").rename(models.parent / "elsewhere"),
    "cannot be read": lambda models: models.rename(models.parent / "elsewhere"),
}


@pytest.mark.parametrize("state", LOSSES)
def test_models_are_not_lost_with_their_file_system(tmp_path: Path, state: str) -> None:
    text = "models_dir: served\nmodels: [{name: a, path: a}]\n"
    folder = tmp_path / "served" / "found"
    folder.mkdir(parents=True)
    (folder / "openvino_model.xml").touch()
    old = read(tmp_path, text)
    LOSSES[state](folder.parent)
    new = read(tmp_path, text)
    assert opened(old, new) == (f"models_dir {folder.parent} {state}: is its file system mounted?")
    (tmp_path / "empty").mkdir()
    assert not opened(old, read(tmp_path, text.replace("served", "empty")))
    assert "cannot be read" in opened(old, read(tmp_path, text.replace("served", "typo")))
    assert not opened(old, read(tmp_path, "models_dir: served\nmodels: none\n"))
    assert not opened(new, read(tmp_path, text))


def test_what_is_left_of_a_key_is_no_key(tmp_path: Path) -> None:
    """A line cut short is a key too: of "bob another" there might be "bob", which is no secret."""
    old = read(tmp_path, WHOLE)
    keys = tmp_path / "keys"
    text = keys.read_text()
    for end in range(len(text)):
        keys.write_text(text[:end])
        try:
            new = read(tmp_path, WHOLE.replace("    alice:", "    {}").replace("      req", "#"))
        except ConfigError:
            continue
        whole_lines = text[:end].endswith("\n")
        assert ("cut short" in opened(old, new)) is not whole_lines
    keys.write_text("alice one\nbob two")  # who never ends a last line can go on so
    unended = read(tmp_path, WHOLE)
    keys.write_text("alice one\nbob three")
    assert not opened(unended, read(tmp_path, WHOLE))


def test_none_contradicts_keys_of_systemd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "ovapi-keys").write_text("carol secret")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    with pytest.raises(ConfigError, match=r"auth \(line 1\): 'none' contradicts the credential"):
        read(tmp_path, "auth: none")
    (tmp_path / "ovapi-keys").write_text("# no key\n")
    assert not read(tmp_path, "auth: none").keys


@pytest.mark.parametrize(
    "text", ["auth: no", "auth:", "auth: {}", "models: no", "models:", "auth: non"]
)
def test_only_the_word_itself_counts(tmp_path: Path, text: str) -> None:
    with pytest.raises(ConfigError):
        read(tmp_path, text)
