"""Adapters by row: each answer is that of its own adapter, whatever else is in the batch."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import openvino
import pytest

from bench.server_process import PIRATE
from ovapi.config.engine_options import AdapterConfig
from ovapi.core import GenerateRequest
from ovapi.engine.base import EngineSpec
from ovapi.engine.genai.loader import load_batching
from ovapi.engine.paged.adapters.lora import Adapter
from ovapi.engine.paged.pipeline import PagedPipeline
from soak.client.prompts import SURE
from tests.engine.paged.conftest import load
from tests.engine.paged.stepping import request, run
from tests.support.driver import DEMO

CONFIG = AdapterConfig(PIRATE)


@pytest.fixture(scope="module")
def pirate() -> Adapter:
    return Adapter.read(CONFIG, DEMO)


@pytest.fixture(scope="module")
def adapted(pirate: Adapter) -> PagedPipeline:
    """With the pirate under two names, the second time upside down, and the plain model as ""."""
    pipeline = load(adapter=CONFIG)
    inverse = Adapter({layer: (-a, b) for layer, (a, b) in pirate.pairs.items()}, pirate.strength)
    pipeline._runner.use({"pirate": pirate, "inverse": inverse})
    return pipeline


def asked(adapter: str) -> list[GenerateRequest]:
    return [replace(request(prompt, max_tokens=60), adapter=adapter) for prompt in SURE]


def ids(engine: Any, adapter: str = "") -> list[list[int]]:
    return [result.ids for result in run(engine, asked(adapter))]


def test_the_adapter_of_a_spec_is_that_of_every_request() -> None:
    genai, _ = load_batching(EngineSpec("demo", DEMO, adapter=CONFIG))
    assert ids(load(adapter=CONFIG)) == ids(genai)


def test_rows_of_a_batch_have_adapters_of_their_own(
    adapted: PagedPipeline, engine: PagedPipeline
) -> None:
    genai, _ = load_batching(EngineSpec("demo", DEMO, adapter=CONFIG))
    plain, pirate = ids(engine), ids(genai)
    assert all(one != other for one, other in zip(plain, pirate, strict=True))
    pairs = zip(asked(""), asked("pirate"), strict=True)
    mixed = run(adapted, [one for pair in pairs for one in pair])
    assert [result.ids for result in mixed[::2]] == plain
    assert [result.ids for result in mixed[1::2]] == pirate


def test_adapters_do_not_share_a_prefix_cache(
    adapted: PagedPipeline, engine: PagedPipeline
) -> None:
    """Equal prompts, one after the other, through each adapter and through none."""
    for _ in range(2):
        found = [ids(adapted, name) for name in ("", "pirate", "inverse")]
        assert found[0] == ids(engine)
        assert found[1] != found[0] != found[2] != found[1]


def test_adapters_come_and_go(
    adapted: PagedPipeline, engine: PagedPipeline, pirate: Adapter
) -> None:
    before = ids(adapted, "pirate")
    adapted._runner.use({"parrot": pirate})
    adapted.cache.forget()
    assert ids(adapted, "parrot") == before
    assert ids(adapted, "pirate") == ids(engine)
    adapted._runner.use({"pirate": pirate})


def test_logits_are_those_of_merged_weights(pirate: Adapter) -> None:
    """In single precision, against x (W + s B A) computed by hand for one product."""
    rng = np.random.default_rng(1)
    layer, (a, b) = next(iter(pirate.pairs.items()))
    from openvino import Type
    from openvino import opset13 as ops

    from ovapi.engine.paged.adapters.lora import STRENGTHS, add_inputs

    weights = rng.normal(size=(b.shape[0], a.shape[1])).astype(np.float32)
    x = ops.parameter([-1, 1, a.shape[1]], Type.f32, name="x")
    y = ops.matmul(x, ops.constant(weights), False, True, name=f"model.{layer}/MatMul")
    model = openvino.Model([y], [x], "one product")
    add_inputs(model, [pirate])
    compiled = openvino.Core().compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    rows = rng.normal(size=(3, 1, a.shape[1])).astype(np.float32)
    names = [port.get_any_name() for port in compiled.inputs]
    values = {
        **{name: a for name in names if name.startswith("lora_a.")},
        **{name: b for name in names if name.startswith("lora_b.")},
        STRENGTHS: np.array([0, 1, 0.5], np.float32)[:, None, None] * np.ones((1, 1, a.shape[0])),
    }
    inputs = [rows if name not in values else values[name].astype(np.float32) for name in names]
    found = compiled(inputs)[0][:, 0]
    for row, strength in enumerate((0, 1, 0.5)):
        expected = rows[row, 0] @ (weights + strength * b @ a).T
        assert found[row] == pytest.approx(expected, abs=1e-2)
