"""The private transformation, as this release of OpenVINO has it; and models that it refuses."""

from __future__ import annotations

import inspect
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import openvino
import pytest
from openvino import opset13 as ops

from ovapi.engine.paged import graph
from ovapi.engine.paged.graph import CACHES, INPUTS, UnsupportedModel, read_paged
from ovapi.engine.paged.runner import Runner
from tests.support.driver import DEMO


@pytest.fixture(scope="module")
def core() -> Any:
    return openvino.Core()


def test_the_private_name_is_where_it_was() -> None:
    from openvino._offline_transformations import paged_attention_transformation

    assert callable(paged_attention_transformation)
    assert "model" in str(inspect.getdoc(paged_attention_transformation))


def test_the_inputs_are_those_that_a_batch_fills(core: Any) -> None:
    model = read_paged(core, DEMO)
    names = {one.get_any_name() for one in model.inputs}
    assert {name for name in names if not name.startswith(CACHES)} == INPUTS
    assert len(names - INPUTS) == 2 * 5  # keys and values of each layer


def test_logits_are_computed_for_chosen_rows_only(core: Any) -> None:
    (logits,) = read_paged(core, DEMO).outputs
    rows, one, vocabulary = logits.partial_shape
    assert rows.is_dynamic
    assert (one.get_length(), vocabulary.get_length()) == (1, 768)


def test_the_device_says_what_its_cache_looks_like(core: Any) -> None:
    runner = Runner(core, read_paged(core, DEMO), "CPU", {})
    values = [shape for name, shape in runner._shapes.items() if name.startswith("value_cache")]
    assert values == [[4, 32, 32]] * 5
    assert runner.block_bytes == 2 * 5 * 4 * 32 * 32 * 2


def test_a_quantized_cache_takes_less(core: Any) -> None:
    properties = {"KV_CACHE_PRECISION": "u8"}
    runner = Runner(core, read_paged(core, DEMO), "CPU", properties)
    assert runner.block_bytes < 0.7 * 2 * 5 * 4 * 32 * 32 * 2


def write(folder: Path, model: Any) -> Path:
    openvino.save_model(model, folder / "openvino_model.xml")
    return folder


def test_a_model_without_attention_is_refused(core: Any, tmp_path: Path) -> None:
    ids = ops.parameter([-1, -1], openvino.Type.i64, name="input_ids")
    table = ops.constant(np.ones((8, 4), np.float32))
    embedded = ops.gather(table, ids, ops.constant(np.int64(0)))
    logits = ops.matmul(embedded, table, False, True)
    with pytest.raises(UnsupportedModel):
        read_paged(core, write(tmp_path, openvino.Model([logits], [ids], "plain")))


def test_a_model_with_an_input_that_nobody_fills_is_refused(core: Any) -> None:
    model = read_paged(core, DEMO)
    model.add_parameters([named_parameter("token_type_ids")])
    with pytest.raises(UnsupportedModel, match="token_type_ids"):
        graph._check_inputs(model)


def named_parameter(name: str) -> Any:
    parameter = ops.parameter([-1], openvino.Type.i64, name=name)
    parameter.output(0).set_names({name})
    return parameter


def test_an_openvino_without_the_transformation(core: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from openvino import _offline_transformations

    monkeypatch.delattr(_offline_transformations, "paged_attention_transformation")
    with pytest.raises(UnsupportedModel, match="paged_attention_transformation"):
        read_paged(core, DEMO)


def test_a_cut_file_is_no_matter_of_paged_attention(core: Any, tmp_path: Path) -> None:
    shutil.copytree(DEMO, tmp_path / "model")
    xml = tmp_path / "model" / "openvino_model.xml"
    xml.write_bytes(xml.read_bytes()[:900])
    with pytest.raises(RuntimeError):
        read_paged(core, tmp_path / "model")
