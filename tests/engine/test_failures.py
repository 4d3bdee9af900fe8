"""Models that cannot be loaded, and steps that raise: clear words, and the engine goes on."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from ovapi.core import (
    Delta,
    Event,
    Finished,
    GenerateRequest,
    SamplingParams,
    TokenPrompt,
)
from ovapi.engine.base import EngineSpec
from ovapi.engine.genai.batching import Batcher, StepFailed
from ovapi.engine.genai.device import check_device
from ovapi.engine.load_error import LoadError, describe
from ovapi.errors import ModelLoading
from tests.support.driver import DEMO, Driver

KINDS = pytest.mark.parametrize("kind", ["batching", "simple"])


async def failed(kind: str, path: Path = DEMO, **spec: Any) -> str:
    """Start an engine that cannot start; what it says about it."""
    driver = await Driver.started(kind, path, **spec)
    state = driver.engine.state
    refused = driver.submit("Hello!")
    await driver.close()
    assert state.status == "failed"
    assert isinstance(refused.error, ModelLoading)
    assert str(path) not in state.detail
    return state.detail


@KINDS
async def test_a_missing_model(kind: str, tmp_path: Path) -> None:
    assert await failed(kind, tmp_path / "absent") == "the model folder does not exist"
    assert await failed(kind, tmp_path) == "the model folder has no openvino_model.xml"


@KINDS
async def test_a_truncated_model(kind: str, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    shutil.copytree(DEMO, folder)
    (folder / "openvino_model.xml").write_bytes((DEMO / "openvino_model.xml").read_bytes()[:900])
    detail = await failed(kind, folder)
    assert detail
    assert "/" not in detail
    assert "\n" not in detail


@KINDS
async def test_broken_json_beside_the_model(kind: str, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    shutil.copytree(DEMO, folder)
    (folder / "config.json").write_text("{")
    assert await failed(kind, folder) == "config.json of the model cannot be read"


@KINDS
async def test_an_absent_device(kind: str) -> None:
    detail = await failed(kind, device="GPU.7")
    assert detail.startswith("device GPU.7 is not available; available: CPU")


@KINDS
async def test_an_unknown_property(kind: str) -> None:
    assert "NO_SUCH_THING" in await failed(kind, properties={"NO_SUCH_THING": 1})


@KINDS
async def test_an_unwritable_compile_cache(kind: str, tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("no folder")
    driver = await Driver.started(kind, compile_cache=blocked)
    assert (await driver.ask("Hello!")).text
    await driver.close()


@KINDS
async def test_a_compile_cache_is_filled(kind: str, tmp_path: Path) -> None:
    driver = await Driver.started(kind, compile_cache=tmp_path / "cache")
    assert (await driver.ask("Hello!")).text
    await driver.close()
    assert list((tmp_path / "cache").iterdir())


@pytest.mark.parametrize("device", ["AUTO", "AUTO:CPU", "CPU", "HETERO:CPU"])
def test_devices_that_are_there(device: str) -> None:
    check_device(device)


@pytest.mark.parametrize("device", ["NPU", "AUTO:NPU,CPU", "TOASTER"])
def test_devices_that_are_not(device: str) -> None:
    with pytest.raises(LoadError, match="is not available"):
        check_device(device)


def test_descriptions_hold_no_paths() -> None:
    error = RuntimeError("Exception from src/a.cpp:1:\nCheck 'x' failed at /b.cpp:2:\nno /etc/x !")
    assert describe(error) == "no … !"
    assert describe(RuntimeError("")) == "RuntimeError"


class Faulty:
    """A pipeline whose next steps raise, by number; everything else is the real one's."""

    def __init__(self, pipeline: Any, failures: int) -> None:
        self._pipeline = pipeline
        self.failures = failures

    def __getattr__(self, name: str) -> Any:
        return getattr(self._pipeline, name)

    def step(self) -> None:
        if self.failures:
            self.failures -= 1
            raise RuntimeError("injected")
        self._pipeline.step()


@pytest.fixture(scope="module")
def batcher() -> Batcher:
    from ovapi.engine.genai.loader import load_batcher

    return load_batcher(EngineSpec("demo", DEMO, max_running=2))[0]


def request(name: str, **parameters: Any) -> GenerateRequest:
    sampling = SamplingParams(**{"temperature": 0, "max_tokens": 5, **parameters})
    return GenerateRequest(name, TokenPrompt((1, 300, 301)), sampling)


def finish(batcher: Batcher) -> dict[str, list[Event]]:
    """Step until nothing is in hand; the events by request."""
    events: dict[str, list[Event]] = {}
    while batcher.busy:
        for name, event in batcher.step():
            events.setdefault(name, []).append(event)
    return events


@pytest.mark.parametrize(("failures", "rebuilt"), [(1, 0), (2, 1)])
def test_a_step_that_raises_leaves_a_working_pipeline(
    batcher: Batcher, failures: int, rebuilt: int
) -> None:
    """Mended if that is enough, else built again; its requests are out of it, those waiting too."""
    good, repair, builds = batcher._pipeline, batcher._build, []
    batcher._build = lambda: builds.append(1) or good
    batcher._pipeline = Faulty(good, failures)
    for name in "abc":  # two of them run, the third waits
        batcher.submit(request(name))
    with pytest.raises(StepFailed) as caught:
        finish(batcher)
    assert caught.value.ids == {"a", "b", "c"}
    assert not batcher.busy
    assert len(builds) == rebuilt
    for name in "abc":
        batcher.submit(request(name))
    events = finish(batcher)
    assert all(isinstance(events[name][-1], Finished) for name in "abc")
    batcher._build, batcher._pipeline = repair, good


def check_that_it_recovers(batcher: Batcher) -> None:
    """Two live requests of one number leave a real pipeline unable to step."""
    before = batcher._numbers
    batcher._numbers = iter([7, 7, *range(10_000, 10_100)])  # type: ignore[assignment]
    batcher.submit(request("a"))
    batcher.submit(request("b"))
    with pytest.raises(StepFailed):
        finish(batcher)
    batcher.submit(request("c"))
    assert isinstance(finish(batcher)["c"][-1], Finished)
    batcher._numbers = before


def test_a_broken_pipeline_recovers(batcher: Batcher) -> None:
    check_that_it_recovers(batcher)


def test_beyond_repair_the_process_ends(batcher: Batcher) -> None:
    def build() -> Any:
        raise RuntimeError("no memory")

    good, repair = batcher._pipeline, batcher._build
    batcher._build, batcher._pipeline = build, Faulty(good, 99)
    batcher.submit(request("a"))
    with pytest.raises(RuntimeError, match="no memory"):
        finish(batcher)
    batcher._build, batcher._pipeline = repair, good
    batcher._events.clear()


def test_cancelling_frees_the_cache(batcher: Batcher) -> None:
    batcher.submit(request("a", max_tokens=1000, ignore_eos=True))
    while not any(isinstance(event, Delta) for _, event in batcher.step()):
        pass
    assert batcher.stats.running == 1
    batcher.cancel("a")
    assert batcher.stats.running == 0
    finish(batcher)
    assert batcher.stats.cache_usage == 0
    assert not batcher._pipeline.has_non_finished_requests()
