import json
import os
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ovapi.cli.main import main
from ovapi.config.engine_options import AdapterConfig
from ovapi.config.loader import load
from ovapi.config.settings import KeyLimits, LimitsConfig, ModelConfig, ServerConfig
from ovapi.config.yaml_document import ConfigError
from ovapi.core import SamplingParams
from ovapi.validation.schemas import Schemas

ROOT = Path(__file__).resolve().parents[2]


def write(folder: Path, text: str) -> Path:
    file = folder / "config.yaml"
    file.write_text(text)
    return file


def model_folder(folder: Path, name: str) -> Path:
    path = folder / "models" / name
    path.mkdir(parents=True)
    (path / "openvino_model.xml").touch()
    return path


def test_an_empty_file_serves_what_lies_in_models(tmp_path: Path) -> None:
    path = model_folder(tmp_path, "b")
    other = model_folder(tmp_path, "a")
    (tmp_path / "models" / "no-model").mkdir()
    config = load(write(tmp_path, ""))
    assert [model.path for model in config.models] == [other, path]
    assert config.default_model == "a"
    assert config.server == ServerConfig()


def test_the_shipped_file_holds_the_defaults() -> None:
    config = load(ROOT / "config.yaml")
    demo = next(model for model in config.models if model.name == "ovapi-demo")
    assert config.server == ServerConfig()
    assert config.limits == LimitsConfig()
    assert demo == ModelConfig("ovapi-demo", ROOT / "models" / "ovapi-demo")


def test_entries_refine_found_models_and_add_others(tmp_path: Path) -> None:
    model_folder(tmp_path, "found")
    file = write(
        tmp_path,
        """
        defaults: {temperature: 0.5, stop: END}
        models:
          - {name: elsewhere, path: /somewhere, device: GPU.1, cache: {size: 2GiB}}
          - {name: found, aliases: [alias], defaults: {temperature: 0, max_tokens: 5}}
        default_model: alias
        """,
    )
    elsewhere, found = load(file).models
    assert elsewhere.path == Path("/somewhere")
    assert (elsewhere.device, elsewhere.cache_bytes) == ("GPU.1", 2 * 2**30)
    assert elsewhere.defaults == SamplingParams(temperature=0.5, stop=("END",))
    assert found.defaults == SamplingParams(temperature=0, max_tokens=5, stop=("END",))
    assert found.path == tmp_path / "models" / "found"


@pytest.mark.parametrize(("alpha", "name"), [(".nan", "NaN"), ("-.inf", "infinity")])
def test_an_adapter_acts_with_a_real_strength(tmp_path: Path, alpha: str, name: str) -> None:
    file = write(
        tmp_path,
        f"models: [{{name: base, adapters: [{{name: pirate, path: p, alpha: {alpha}}}]}}]",
    )
    with pytest.raises(ConfigError, match=rf"adapters\[0\].alpha .*: must be a number, not {name}"):
        load(file)


def test_adapters_are_models_of_their_own(tmp_path: Path) -> None:
    file = write(
        tmp_path,
        """
        models:
          - name: base
            aliases: [alias]
            max_running: 4
            defaults: {temperature: 0}
            adapters:
              - {name: pirate, path: adapters/pirate, alpha: 0.5}
              - {name: poet, path: /poet.safetensors}
        """,
    )
    base, pirate, poet = load(file).models
    assert (base.parent, base.adapter) == (None, None)
    assert pirate == replace(
        base,
        name="pirate",
        aliases=(),
        parent="base",
        adapter=AdapterConfig(tmp_path / "adapters" / "pirate", 0.5),
    )
    assert poet.adapter == AdapterConfig(Path("/poet.safetensors"))


def test_an_adapter_hides_no_folder_of_its_name(tmp_path: Path) -> None:
    model_folder(tmp_path, "pirate")
    file = write(tmp_path, "models: [{name: base, adapters: [{name: pirate, path: p}]}]")
    with pytest.raises(ConfigError, match="'pirate' is already in use"):
        load(file)


def test_the_command_line_wins(tmp_path: Path) -> None:
    file = write(tmp_path, "server: {host: 0.0.0.0, port: 1}")
    server = load(file, port=0).server
    assert (server.host, server.port) == ("0.0.0.0", 0)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("server:\n  port: 70000\n", "server.port (line 2)"),
        ("server:\n  prot: 1\n", "server.prot (line 2)"),
        ("\nmodels:\n- name: a\n  device: TPU\n", "models[0].device (line 4)"),
        ("models:\n- device: CPU\n", "models[0]"),
        ("models: [{name: a}, {name: a}]\n", "models[1] (line 1): 'a' is already in use"),
        (
            "models:\n- name: a\n  adapters:\n  - {name: b, path: p}\n  - {name: a, path: p}\n",
            "models[0].adapters[1] (line 5): 'a' is already in use",
        ),
        ("models: [{name: a, adapters: [{name: b}]}]\n", "models[0].adapters[0]"),
        ("default_model: x\n", "default_model (line 1): unknown model 'x'"),
        ("a: 1\na: 2\n", "a (line 2): duplicate key"),
        ("defaults:\n  temperature: warm\n", "defaults.temperature (line 2)"),
        ("- a\n", "the file (line 1)"),
        ("a: [\n", "not valid YAML (line 2): "),
        ("models: &a [*a]\n", "models[0] (line 1): an alias must not contain itself"),
        ("server: &s\n  <<: *s\n", "server.<< (line 1): an alias must not contain itself"),
        ("limits: {keys: {1: {}}}\n", "limits.keys (line 1): keys must be text"),
        ("? [a]\n: b\n", "the file (line 1): keys must be text"),
        ("[" * 5000, "nested too deeply"),
        ("port: " + "9" * 5000, "contains a value that YAML cannot read"),
        ("default_model: 2020-13-45\n", "contains a value that YAML cannot read"),
        ("default_model: !!bool x\n", "contains a value that YAML cannot read"),
    ],
)
def test_errors_name_the_path_and_the_line(tmp_path: Path, text: str, expected: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(write(tmp_path, text))
    assert expected in str(caught.value)


NUL, HALF = r'"a\0b"', r'"a\ud800"'
NUMBER = "9" * 400


@pytest.mark.parametrize(
    ("text", "path"),
    [
        (f"auth: {{keys_file: {NUL}}}", "auth.keys_file"),
        (f"auth: {{keys_file: {HALF}}}", "auth.keys_file"),
        (f"auth: {{keys_file: {'x/' * 2500}}}", "auth.keys_file"),
        (f"auth: {{keys_env: {NUL}}}", "auth.keys_env"),
        (f"models_dir: {NUL}", "models_dir"),
        (f"models_dir: {HALF}", "models_dir"),
        (f"compile_cache: {NUL}", "compile_cache"),
        (f"server: {{tls: {{certificate: {NUL}, key: k}}}}", "server.tls.certificate"),
        (f"models: [{{name: {HALF}}}]", "models[0].name"),
        (f"models: [{{name: a, aliases: [{HALF}]}}]", "models[0].aliases[0]"),
        (f"models: [{{name: a, path: {NUL}}}]", "models[0].path"),
        (f"models: [{{name: a, draft: {{path: {NUL}}}}}]", "models[0].draft.path"),
        (f"models: [{{name: a, keep_alive: {NUMBER}}}]", "models[0].keep_alive"),
        (f"models: [{{name: a, cache: {{size: {NUMBER}}}}}]", "models[0].cache.size"),
        (f"models: [{{name: a, cache: {{size: {NUMBER}GB}}}}]", "models[0].cache.size"),
        (f"models: [{{name: a, context: {NUMBER}}}]", "models[0].context"),
        (f"models: [{{name: a, max_tokens_in_flight: {NUMBER}}}]", "max_tokens_in_flight"),
        (f"models: [{{name: a, properties: {{X: {NUMBER}}}}}]", "models[0].properties.X"),
        (f"memory_budget: {NUMBER}", "memory_budget"),
        (f"memory_budget: {NUMBER}KB", "memory_budget"),
        (f"limits: {{per_key: {{requests_per_minute: {NUMBER}}}}}", "requests_per_minute"),
        (f"limits: {{per_key: {{concurrent: {NUMBER}}}}}", "limits.per_key.concurrent"),
    ],
)
def test_no_value_is_too_much_for_what_it_is_for(tmp_path: Path, text: str, path: str) -> None:
    with pytest.raises(ConfigError, match=rf"{re.escape(path)} \(line 1\): "):
        load(write(tmp_path, text))


def test_numbers_and_paths_have_bounds() -> None:
    """Every integer of the schema has a maximum, every text that is a path excludes NUL."""
    for name, schema in leaves(Schemas()["config"], ""):
        if {"integer", "number"} & set(listed(schema.get("type"))) and "enum" not in schema:
            assert "maximum" in schema, name
        if name.endswith((".path", "_file", "certificate", "tls.key", "models_dir", "_cache")):
            assert not re.search(schema["pattern"], "a\0b"), name
            assert schema["maxLength"] < 4096, name


def listed(one: Any) -> list[Any]:
    return one if isinstance(one, list) else [one]


def leaves(schema: dict[str, Any], path: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """All schemas in a schema, by dotted path."""
    yield path, schema
    inner = dict(schema.get("properties", {}))
    inner |= {"[]": schema["items"]} if "items" in schema else {}
    more = schema.get("additionalProperties")
    inner |= {"*": more} if isinstance(more, dict) else {}
    for name, one in inner.items():
        yield from leaves(one, f"{path}.{name}")


@pytest.mark.parametrize("name", ["LISTEN_FDS", "WATCHDOG_USEC"])
def test_what_systemd_says_is_a_number(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv("LISTEN_PID", str(os.getpid()))
    monkeypatch.setenv(name, "many")
    with pytest.raises(ConfigError, match=f"{name} is not a number: 'many'"):
        load(write(tmp_path, ""))


def test_aliases_expand_to_so_much_only(tmp_path: Path) -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    for number in range(1, 9):
        uses = ", ".join([f"*a{number - 1}"] * 10)
        lines.append(f"a{number}: &a{number} [{uses}]")
    with pytest.raises(ConfigError, match="more than 100000 values, counting each use"):
        load(write(tmp_path, "\n".join(lines)))


def test_aliases_are_for_saying_things_once(tmp_path: Path) -> None:
    text = """
        defaults: &d {temperature: 0}
        models:
          - {name: a, defaults: *d}
          - {name: b, defaults: {<<: *d, top_p: 0.5}}
        """
    a, b = load(write(tmp_path, text)).models
    assert (a.defaults.temperature, b.defaults.temperature, b.defaults.top_p) == (0, 0, 0.5)


def test_all_errors_are_reported_together(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        load(write(tmp_path, "server: {port: -1}\nlogging: {level: LOUD}\n"))
    assert "server.port" in str(caught.value)
    assert "logging.level" in str(caught.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"absent\.yaml: cannot be read"):
        load(tmp_path / "absent.yaml")


def keys_of(schema: dict[str, Any]) -> set[str]:
    """The names of all properties in a schema, however deep; sampling is common to many."""
    properties = schema.get("properties", {})
    inner = [keys_of(value) for value in properties.values()]
    items = keys_of(schema["items"]) if isinstance(schema.get("items"), dict) else set()
    return set(properties).union(items, *inner)


def test_config_yaml_explains_every_key() -> None:
    """Each key of the schema stands in the shipped file, as a value or as a comment."""
    text = (ROOT / "config.yaml").read_text()
    keys = keys_of(json.loads((ROOT / "schemas" / "config.json").read_text()))
    assert len(keys) > 20
    assert {key for key in keys if f"{key}:" not in text} == set()


def test_keys_come_from_file_environment_and_credential(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "keys.txt").write_text("alice one\n")
    (tmp_path / "ovapi-keys").write_text("carol four")
    monkeypatch.setenv("MY_KEYS", "bob two,three")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    keys = load(write(tmp_path, "auth: {keys_file: keys.txt, keys_env: MY_KEYS}")).keys
    names = [keys.authenticate(None, secret) for secret in ("one", "two", "three", "four")]
    assert names == ["alice", "bob", "key 2", "carol"]


@pytest.mark.parametrize(
    ("auth", "expected"),
    [
        ("{keys_file: absent}", "auth.keys_file (line 1): cannot be read"),
        (
            "{keys_env: OVAPI_NO_SUCH_VARIABLE}",
            "auth.keys_env (line 1): the environment variable OVAPI_NO_SUCH_VARIABLE is not set",
        ),
        ("{keys_file: config.yaml}", "auth.keys_file (line 1): keys_file line 1: expected"),
    ],
)
def test_a_server_that_asks_for_keys_never_opens_without(
    tmp_path: Path, auth: str, expected: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        load(write(tmp_path, f"auth: {auth}  # a b c"))
    assert expected in str(caught.value)


def test_limits_of_keys(tmp_path: Path) -> None:
    (tmp_path / "keys.txt").write_text("alice one\nbob two")
    text = """
        auth: {keys_file: keys.txt}
        limits:
          per_key: {concurrent: 2, requests_per_minute: 60}
          keys: {alice: {concurrent: null}}
        """
    limits = load(write(tmp_path, text)).limits
    assert limits.per_key == KeyLimits(2, 60)
    assert limits.keys == {"alice": KeyLimits(None, 60)}
    with pytest.raises(
        ConfigError, match=r"limits\.keys\.carol \(line 5\): is not the name of a key"
    ):
        load(write(tmp_path, text.replace("alice", "carol")))


def test_when_models_are_in_memory(tmp_path: Path) -> None:
    file = write(
        tmp_path,
        """
        memory_budget: 6GB
        models:
          - {name: eager}
          - {name: lazy, load: lazy, adapters: [{name: adapter, path: p}]}
          - {name: patient, load: lazy, keep_alive: never, load_wait_seconds: 5}
          - {name: short, keep_alive: 1h30m}
          - {name: seconds, keep_alive: 2}
        """,
    )
    config = load(file)
    stays = {model.name: (model.load, model.keep_alive) for model in config.models}
    assert config.memory_budget == 6 * 10**9
    assert stays == {
        "eager": ("eager", None),
        "lazy": ("lazy", 300),
        "adapter": ("lazy", 300),
        "patient": ("lazy", None),
        "short": ("eager", 5400),
        "seconds": ("eager", 2),
    }


@pytest.mark.parametrize("value", ["soon", "-1", "5", "5 m", "m"])
def test_what_is_no_duration(tmp_path: Path, value: str) -> None:
    with pytest.raises(ConfigError, match="keep_alive"):
        load(write(tmp_path, f"models: [{{name: m, keep_alive: '{value}'}}]"))


def test_a_check_tells_what_models_take(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = f"path: {ROOT / 'models' / 'ovapi-demo'}, load: lazy, cache: {{size: 16MiB}}"
    none = tmp_path / "none"
    none.mkdir()
    file = write(
        tmp_path, f"models_dir: {none}\nmemory_budget: 1MB\nmodels: [{{name: a, {model}}}]"
    )
    assert main(["--config", str(file), "--check"]) == 0
    shown = capsys.readouterr().out
    assert "memory budget: 1 MiB" in shown
    assert "loads on the first request, unloads after 300 s idle, needs about" in shown
    assert "EXCEEDS THE MEMORY BUDGET" in shown


def test_formats_are_those_that_there_are(tmp_path: Path) -> None:
    known = write(tmp_path, "models: [{name: ovapi-demo, tool_format: qwen3-coder}]")
    assert load(known).models[0].tool_format == "qwen3-coder"
    file = write(tmp_path, "models:\n  - name: ovapi-demo\n    tool_format: morse")
    with pytest.raises(ConfigError, match=r"models\[0\]\.tool_format \(line 3\)"):
        load(file)
