"""Engines that guess tokens ahead: same answers, fewer steps, and the same resilience."""

from __future__ import annotations

import shutil
import signal
from pathlib import Path

import pytest

from ovapi.config.engine_options import SpeculationConfig
from ovapi.core import BeamSearch, Delta, GenerateRequest, SamplingParams
from ovapi.engine.base import EngineSpec
from ovapi.engine.genai.loader import load_batching
from soak.client.prompts import LONG, SURE, UNSURE
from tests.engine.conftest import SPECULATION
from tests.engine.process.test_supervision import process_of
from tests.engine.test_failures import check_that_it_recovers, failed
from tests.support.driver import DEMO, Driver, chat

COPY = "Repeat: the red house stands near the old bridge"
KINDS = pytest.mark.parametrize("speculation", SPECULATION.values(), ids=SPECULATION)


@KINDS
async def test_the_answers_are_the_same_in_fewer_steps(
    batching: Driver, speculation: SpeculationConfig
) -> None:
    driver = await Driver.started("batching", speculation=speculation)
    try:
        for text in (*SURE, COPY):
            assert (await driver.ask(text)).text == (await batching.ask(text)).text
        together = await driver.all(driver.submit(text) for text in SURE * 2)
        alone = await batching.all(batching.submit(text) for text in SURE * 2)
        assert [one.text for one in together] == [one.text for one in alone]
        copied = await driver.ask(COPY)
        assert len(copied.deltas) < len(copied.ids) * 0.7
    finally:
        await driver.close()


@KINDS
def test_samples_break_no_step(speculation: SpeculationConfig) -> None:
    pipeline, _ = load_batching(EngineSpec("demo", DEMO, speculation=speculation))
    for seed in range(12):
        sampling = SamplingParams(max_tokens=40, temperature=2.0, seed=seed, ignore_eos=True)
        request = GenerateRequest(f"t-{seed}", chat(UNSURE), sampling)
        pipeline.submit(pipeline.input_processor.prepare(request))
    tokens = 0
    while pipeline.busy:  # a broken step raises
        events = [event for _, event in pipeline.step()]
        tokens += sum(len(event.token_ids) for event in events if isinstance(event, Delta))
    assert tokens == 12 * 40


@KINDS
async def test_a_stream_goes_on_where_a_killed_engine_left_it(
    speculation: SpeculationConfig,
) -> None:
    driver = await Driver.started("batching", speculation=speculation)
    try:
        whole = await driver.ask(LONG)
        broken = await driver.submit(LONG).first_text()
        process_of(driver).send_signal(signal.SIGKILL)
        await broken.end()
        assert (broken.text, broken.finished) == (whole.text, whole.finished)
    finally:
        await driver.close()


@KINDS
async def test_beams_are_refused(speculation: SpeculationConfig) -> None:
    driver = await Driver.started("batching", speculation=speculation)
    try:
        refused = await driver.submit("Hello!", beams=BeamSearch(2)).end()
        assert refused.error.param == "use_beam_search"
        assert (await driver.ask("Hello!")).text
    finally:
        await driver.close()


@KINDS
def test_a_broken_pipeline_recovers(speculation: SpeculationConfig) -> None:
    check_that_it_recovers(load_batching(EngineSpec("demo", DEMO, speculation=speculation))[0])


async def test_a_draft_model_that_does_not_fit(tmp_path: Path) -> None:
    absent = SpeculationConfig(draft=tmp_path / "absent")
    detail = await failed("batching", speculation=absent)
    assert detail == "the draft model: the model folder does not exist"
    other = tmp_path / "other"
    shutil.copytree(DEMO, other)
    config = (other / "config.json").read_text()
    (other / "config.json").write_text(config.replace('"vocab_size": 768', '"vocab_size": 500'))
    detail = await failed("batching", speculation=SpeculationConfig(draft=other))
    assert "(500 tokens)" in detail


async def test_the_simple_engine_does_not_guess() -> None:
    assert "batching engine" in await failed("simple", speculation=SpeculationConfig())
