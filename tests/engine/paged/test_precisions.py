"""Precisions of the KV cache and of inference: GenAI's greedy answers with the same properties."""

from __future__ import annotations

from typing import Any

import pytest

from ovapi.engine.base import EngineSpec
from ovapi.engine.genai.loader import load_batching
from soak.client.prompts import SURE
from tests.engine.paged.conftest import load
from tests.engine.paged.stepping import Stepper, request, run
from tests.support.driver import DEMO


@pytest.mark.parametrize(
    "properties",
    [
        {"KV_CACHE_PRECISION": "u8"},
        {"KV_CACHE_PRECISION": "u4"},
        {"KV_CACHE_PRECISION": "f32", "INFERENCE_PRECISION_HINT": "f32"},
        {"INFERENCE_PRECISION_HINT": "f32", "DYNAMIC_QUANTIZATION_GROUP_SIZE": "128"},
    ],
    ids=str,
)
def test_answers_are_those_of_genai(properties: dict[str, Any]) -> None:
    genai, _ = load_batching(EngineSpec("demo", DEMO, properties=properties))
    prompts = SURE[:5]
    expected = [run(genai, [request(prompt)])[0].ids for prompt in prompts]
    stepper = Stepper(load(properties=properties))
    results = [stepper.submit(request(prompt)) for prompt in prompts]
    stepper.finish()
    assert [result.ids for result in results] == expected
