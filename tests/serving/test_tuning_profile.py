"""Profiles: which one is in force, and what it changes."""

from __future__ import annotations

import logging
from concurrent.futures import Executor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bench.server_process import DEMO, ROOT
from ovapi.config.loader import load
from ovapi.config.settings import Config, ModelConfig
from ovapi.engine.base import MAX_BATCHED_TOKENS, EngineSpec
from ovapi.serving import tuning_profile as profile
from ovapi.serving.model_manager import ModelManager
from ovapi.serving.tuning_profile import Profile


def config_of(folder: Path, **model: Any) -> Config:
    (folder / "config.yaml").write_text(f"models_dir: {ROOT / 'models'}\n")
    config = load(folder / "config.yaml")
    return replace(config, models=(replace(config.models[0], **model),))


def save(config: Config, objective: str, made: str = "2026-01-01", **changes: Any) -> Profile:
    entry = config.models[0]
    values: dict[str, Any] = {"fits": profile.identity(entry), **changes}
    made_now = Profile(objective, made, **values)
    made_now.write(profile.file_of(config, entry, objective))
    return made_now


def spec(config: Config) -> EngineSpec:
    manager = ModelManager(config, Executor(), lambda *_: None)
    (model,) = manager.registry
    made: EngineSpec = model.engine._spec  # type: ignore[attr-defined]
    return made


def test_a_profile_comes_back_as_it_was_written(tmp_path: Path) -> None:
    config = config_of(tmp_path)
    written = save(config, "latency", properties={"INFERENCE_NUM_THREADS": 1}, figures={"gain": 2})
    assert profile.choose(config, config.models[0]).profile == written
    assert [file.parent for file in tmp_path.rglob("*.json")] == [tmp_path / "profiles"]


def test_it_lies_in_the_compile_cache_if_there_is_one(tmp_path: Path) -> None:
    config = replace(config_of(tmp_path), compile_cache=tmp_path / "cache")
    assert profile.folder(config) == tmp_path / "cache" / "profiles"


def test_what_the_configuration_sets_wins(tmp_path: Path) -> None:
    config = config_of(tmp_path, properties={"INFERENCE_PRECISION_HINT": "bf16"})
    save(
        config,
        "balanced",
        properties={"INFERENCE_PRECISION_HINT": "f32", "ENABLE_CPU_PINNING": False},
        max_batched_tokens=64,
    )
    made = spec(config)
    assert made.properties == {"INFERENCE_PRECISION_HINT": "bf16", "ENABLE_CPU_PINNING": False}
    assert made.max_batched_tokens == 64
    explicit = replace(config, models=(replace(config.models[0], max_batched_tokens=512),))
    assert spec(explicit).max_batched_tokens == 512


def test_without_a_profile_there_are_the_defaults(tmp_path: Path) -> None:
    made = spec(config_of(tmp_path))
    assert (made.properties, made.batched_tokens) == ({}, MAX_BATCHED_TOKENS)


@pytest.mark.parametrize(
    ("performance", "expected"),
    [("auto", "throughput"), ("latency", "latency"), ("prefill", None), ("off", None)],
)
def test_performance_says_which(tmp_path: Path, performance: str, expected: str | None) -> None:
    """`auto` takes the last one made."""
    config = config_of(tmp_path, performance=performance)
    save(config, "latency", "2026-01-01")
    save(config, "throughput", "2026-01-02")
    chosen = profile.choose(config, config.models[0]).profile
    assert (chosen.objective if chosen else None) == expected


def test_an_adapter_shares_its_models_profiles(tmp_path: Path) -> None:
    config = config_of(tmp_path)
    save(config, "latency")
    adapter: ModelConfig = replace(config.models[0], name="pirate", parent=DEMO)
    assert profile.choose(config, adapter).profile is not None


@pytest.mark.parametrize("what", ["model", "device", "machine", "engine version"])
def test_a_stale_profile_is_ignored_and_named(
    tmp_path: Path, what: str, caplog: pytest.LogCaptureFixture
) -> None:
    config = config_of(tmp_path)
    fits = {**profile.identity(config.models[0]), what: "another"}
    save(config, "latency", fits=fits, properties={"ENABLE_CPU_PINNING": False})
    with caplog.at_level(logging.INFO):
        assert spec(config).properties == {}
    (line,) = caplog.messages
    assert line == f"model {DEMO}: the latency profile is for another {what}: ignored"


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"objective": "latency"}', "\xff"])
def test_a_damaged_profile_is_ignored(tmp_path: Path, text: str) -> None:
    config = config_of(tmp_path)
    file = profile.file_of(config, config.models[0], "latency")
    file.parent.mkdir()
    file.write_bytes(text.encode("latin-1"))
    selection = profile.choose(config, config.models[0])
    assert selection == profile.ProfileSelection(None, (f"{DEMO}.latency.json cannot be read",))


def test_the_log_names_the_profile_in_force(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    config = config_of(tmp_path)
    save(config, "latency", properties={"ENABLE_CPU_PINNING": False}, max_batched_tokens=64)
    with caplog.at_level(logging.INFO):
        spec(config)
    (line,) = caplog.messages
    assert "profile latency of 2026-01-01 (ENABLE_CPU_PINNING=False, max_batched_tokens=64)" in line


def test_a_models_name_is_no_path(tmp_path: Path) -> None:
    config = config_of(tmp_path, name="../../etc/model")
    assert profile.file_of(config, config.models[0], "latency").parent == tmp_path / "profiles"
