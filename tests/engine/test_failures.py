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
from ovapi.engine.genai.batching import BatchingPipeline
from ovapi.engine.genai.device import check_device
from ovapi.engine.generation.pipeline import StepFailed
from ovapi.engine.load_error import LoadError, describe
from ovapi.errors import ModelFailed
from tests.support.driver import DEMO, Driver

KINDS = pytest.mark.parametrize("kind", ["batching", "paged", "simple"])


async def failed(kind: str, path: Path = DEMO, **spec: Any) -> str:
    """Start an engine that cannot start; what it says about it."""
    driver = await Driver.started(kind, path, **spec)
    state = driver.engine.state
    refused = driver.submit("Hello!")
    await driver.close()
    assert state.status == "failed"
    assert isinstance(refused.error, ModelFailed)
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
    assert await failed(kind, folder) == "config.json of the model is not valid JSON"


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
def pipeline() -> BatchingPipeline:
    from ovapi.engine.genai.loader import load_batching

    return load_batching(EngineSpec("demo", DEMO, max_running=2))[0]


def request(name: str, **parameters: Any) -> GenerateRequest:
    sampling = SamplingParams(**{"temperature": 0, "max_tokens": 5, **parameters})
    return GenerateRequest(name, TokenPrompt((1, 300, 301)), sampling)


def submit(pipeline: BatchingPipeline, request: GenerateRequest) -> None:
    pipeline.submit(pipeline.input_processor.prepare(request))


def finish(pipeline: BatchingPipeline) -> dict[str, list[Event]]:
    """Step until nothing is in hand; the events by request."""
    events: dict[str, list[Event]] = {}
    while pipeline.busy:
        for name, event in pipeline.step():
            events.setdefault(name, []).append(event)
    return events


@pytest.mark.parametrize(("failures", "rebuilt"), [(1, 0), (2, 1)])
def test_a_step_that_raises_leaves_a_working_pipeline(
    pipeline: BatchingPipeline, failures: int, rebuilt: int
) -> None:
    """Mended if that is enough, else built again; its requests are out of it, those waiting too."""
    good, repair, builds = pipeline._pipeline.inner, pipeline._pipeline.build, []
    pipeline._pipeline.build = lambda: builds.append(1) or good
    pipeline._pipeline.inner = Faulty(good, failures)
    for name in "abc":  # two of them run, the third waits
        submit(pipeline, request(name))
    with pytest.raises(StepFailed) as caught:
        finish(pipeline)
    assert caught.value.ids == {"a", "b", "c"}
    assert not pipeline.busy
    assert len(builds) == rebuilt
    for name in "abc":
        submit(pipeline, request(name))
    events = finish(pipeline)
    assert all(isinstance(events[name][-1], Finished) for name in "abc")
    pipeline._pipeline.build, pipeline._pipeline.inner = repair, good


def check_that_it_recovers(pipeline: BatchingPipeline) -> None:
    """Two live requests of one number leave a real pipeline unable to step."""
    before = pipeline._pipeline._numbers
    pipeline._pipeline._numbers = iter([7, 7, *range(10_000, 10_100)])  # type: ignore[assignment]
    submit(pipeline, request("a"))
    submit(pipeline, request("b"))
    with pytest.raises(StepFailed):
        finish(pipeline)
    submit(pipeline, request("c"))
    assert isinstance(finish(pipeline)["c"][-1], Finished)
    pipeline._pipeline._numbers = before


def test_a_broken_pipeline_recovers(pipeline: BatchingPipeline) -> None:
    check_that_it_recovers(pipeline)


def test_beyond_repair_the_process_ends(pipeline: BatchingPipeline) -> None:
    def build() -> Any:
        raise RuntimeError("no memory")

    good, repair = pipeline._pipeline.inner, pipeline._pipeline.build
    pipeline._pipeline.build, pipeline._pipeline.inner = build, Faulty(good, 99)
    submit(pipeline, request("a"))
    with pytest.raises(RuntimeError, match="no memory"):
        finish(pipeline)
    pipeline._pipeline.build, pipeline._pipeline.inner = repair, good
    pipeline._events.clear()


def test_cancelling_frees_the_cache(pipeline: BatchingPipeline) -> None:
    submit(pipeline, request("a", max_tokens=1000, ignore_eos=True))
    while not any(isinstance(event, Delta) for _, event in pipeline.step()):
        pass
    assert pipeline.stats.running == 1
    pipeline.cancel("a")
    assert pipeline.stats.running == 0
    finish(pipeline)
    assert pipeline.stats.cache_usage == 0
    assert not pipeline._pipeline.inner.has_non_finished_requests()
