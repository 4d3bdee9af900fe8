"""Tuning: the search on made-up figures, and a short run of the real one."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from bench.server_process import DEMO, ROOT
from ovapi.tuning.search import Search
from ovapi.tuning.space import Setting, Space
from ovapi.tuning.trial import Figures, TrialResult

DEFAULTS = {
    "INFERENCE_PRECISION_HINT": "bf16",
    "DYNAMIC_QUANTIZATION_GROUP_SIZE": 32,
    "KV_CACHE_PRECISION": "u8",
    "ENABLE_CPU_PINNING": True,
}
PRECISIONS = ("BF16", "FP32")


def result(alone: float, agreement: float = 1.0, prompt: float = 100.0) -> TrialResult:
    return TrialResult(Figures(prompt, alone, 100.0, 100.0), agreement=agreement)


def searched(
    measure: Callable[[Setting], TrialResult],
    fixed: Setting | None = None,
    objective: str = "latency",
    budget: float = 1000.0,
) -> Search:
    search = Search(measure, objective, 0.9, budget)
    search.begin()
    search.run(Space(DEFAULTS, PRECISIONS, fixed or {}))
    return search


def fast_in_f32_with_a_group(setting: Setting) -> float:
    """Neither does anything alone, as on a processor with AMX."""
    if setting.get("INFERENCE_PRECISION_HINT") != "f32":
        return 100.0
    return 150.0 if setting.get("DYNAMIC_QUANTIZATION_GROUP_SIZE") == 128 else 50.0


def test_properties_that_help_together_are_found() -> None:
    def measure(setting: Setting) -> TrialResult:
        pinned = setting.get("ENABLE_CPU_PINNING", True)
        return result(fast_in_f32_with_a_group(setting) * (1.0 if pinned else 1.1))

    assert searched(measure).best.setting == {
        "INFERENCE_PRECISION_HINT": "f32",
        "DYNAMIC_QUANTIZATION_GROUP_SIZE": 128,
        "ENABLE_CPU_PINNING": False,
    }


def test_any_two_that_help_only_together_are_crossed() -> None:
    def measure(setting: Setting) -> TrialResult:
        both = setting.get("KV_CACHE_PRECISION") == "f16" and not setting.get(
            "ENABLE_CPU_PINNING", True
        )
        return result(120.0 if both else 100.0)

    best = searched(measure).best.setting
    assert best == {"KV_CACHE_PRECISION": "f16", "ENABLE_CPU_PINNING": False}


def test_what_changes_the_answers_is_not_used() -> None:
    def measure(setting: Setting) -> TrialResult:
        return result(200.0, 0.89) if "KV_CACHE_PRECISION" in setting else result(100.0)

    assert searched(measure).best.setting == {}


def test_what_fails_is_not_used() -> None:
    def measure(setting: Setting) -> TrialResult:
        return TrialResult(error="no") if setting else result(100.0)

    search = searched(measure)
    assert search.best is search.default
    assert len(search.candidates) > 5


def test_a_small_gain_may_be_noise() -> None:
    search = searched(lambda setting: result(102.0 if setting else 100.0))
    assert search.best is search.default
    assert search.confirm() is None


def test_what_the_configuration_sets_is_left_alone() -> None:
    fixed = {"KV_CACHE_PRECISION": "f32", "max_batched_tokens": 256}
    search = searched(lambda setting: result(100.0), fixed)
    assert not any(set(one.setting) & set(fixed) for one in search.candidates)


def test_the_objective_decides() -> None:
    def measure(setting: Setting) -> TrialResult:
        f32 = setting.get("INFERENCE_PRECISION_HINT") == "f32"
        return result(120.0, prompt=50.0) if f32 else result(100.0)

    assert searched(measure, objective="latency").best.setting
    assert not searched(measure, objective="prefill").best.setting
    assert not searched(measure, objective="balanced").best.setting


def test_luck_does_not_pass_the_second_look() -> None:
    search = searched(lambda setting: result(150.0 if "KV_CACHE_PRECISION" in setting else 100.0))
    search._measure = lambda setting: result(100.0)
    confirmed = search.confirm()
    assert confirmed is not None
    assert confirmed.score == 1.0


def test_it_ends_within_its_budget() -> None:
    assert len(searched(lambda setting: result(100.0), budget=0.0).candidates) == 1


@pytest.mark.engine
def test_a_real_run_writes_a_profile_that_is_then_in_force(tmp_path: Path) -> None:
    config = tmp_path / "config.yaml"
    model = {"name": DEMO, "context": 512}
    config.write_text(yaml.safe_dump({"models_dir": str(ROOT / "models"), "models": [model]}))

    def command(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "ovapi", *arguments], capture_output=True, text=True, cwd=ROOT,
            timeout=120, check=False,
        )  # fmt: skip

    options = ["--config", str(config), "--model", DEMO]
    done = command("tune", *options, "--budget", "6", "--objective", "latency")
    assert done.returncode == 0, done.stderr
    assert "default" in done.stdout
    file = tmp_path / "profiles" / f"{DEMO}.latency.json"
    written = json.loads(file.read_text())
    assert all(value > 0 for value in written["figures"]["default"].values())
    assert written["figures"]["agreement"] >= 0.9
    checked = command("--config", str(config), "--check")
    assert f"profile: latency of {written['made']}" in checked.stdout
    unknown = command("tune", "--config", str(config), "--model", "other")
    assert (unknown.returncode, unknown.stderr) == (
        1, f"unknown model 'other'; known models: {DEMO}\n",
    )  # fmt: skip


@pytest.mark.engine
def test_a_property_that_the_engine_does_not_know_is_no_end() -> None:
    from ovapi.engine.base import EngineSpec
    from ovapi.tuning.trial import Trial, run

    folder = ROOT / "models" / DEMO
    spec = EngineSpec("demo", folder, context=256, properties={"NO_SUCH_PROPERTY": 1})
    assert "NO_SUCH_PROPERTY" in run(Trial(spec, 0.01)).error
    measured = run(Trial(replace(spec, properties={}), 0.01))
    assert measured.agreement == 1.0
    assert measured.defaults is not None
    assert "INFERENCE_PRECISION_HINT" in measured.defaults
