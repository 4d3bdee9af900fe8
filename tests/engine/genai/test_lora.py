"""What an adapter file must hold before a pipeline gets it."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bench.server_process import PIRATE, ROOT
from ovapi.engine.genai.layers import read_layers
from ovapi.engine.genai.lora import check, scaling
from ovapi.engine.load_error import LoadError

MODEL = ROOT / "models" / "ovapi-demo"
LAYER = "base_model.model.model.layers.0.mlp.up_proj"
SIZES = {"F16": 2, "F32": 4, "F64": 8}

Shapes = dict[str, tuple[int, ...]]


def pair(layer: str = LAYER, inputs: int = 256, outputs: int = 768, rank: int = 4) -> Shapes:
    return {f"{layer}.lora_A.weight": (rank, inputs), f"{layer}.lora_B.weight": (outputs, rank)}


def safetensors(shapes: Shapes, dtype: str = "F16") -> bytes:
    """A file of zeros."""
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    end = 0
    for name, shape in shapes.items():
        start, end = end, end + SIZES[dtype] * shape[0] * shape[1]
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [start, end]}
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + bytes(end)


@pytest.fixture
def refuse(tmp_path: Path) -> Callable[[bytes], str]:
    """Why a file of these bytes is refused."""

    def why(data: bytes) -> str:
        file = tmp_path / "adapter_model.safetensors"
        file.write_bytes(data)
        with pytest.raises(LoadError) as caught:
            check(file, MODEL)
        assert str(tmp_path) not in str(caught.value)
        return str(caught.value)

    return why


def test_the_shipped_one_fits() -> None:
    check(PIRATE / "adapter_model.safetensors", MODEL)
    assert scaling(PIRATE / "adapter_model.safetensors") == 1.0


@pytest.mark.parametrize("dtype", ["F16", "F32"])
def test_a_part_of_the_layers_is_enough(tmp_path: Path, dtype: str) -> None:
    file = tmp_path / "a.safetensors"
    file.write_bytes(safetensors(pair(), dtype))
    check(file, MODEL)


@pytest.mark.parametrize(
    ("shapes", "why"),
    [
        (pair("base_model.model.model.layers.7.mlp.up_proj"), "no layer 'model.layers.7.mlp"),
        (pair("base_model.model.transformer.h.0.mlp.up_proj"), "for another model"),
        (pair(inputs=512), "size of 'model.layers.0.mlp.up_proj' differs"),
        (pair(outputs=512), "differs"),
        (pair("model.layers.0.mlp.up_proj"), "not a LoRA matrix in PEFT format"),
        ({f"{LAYER}.lora_A.weight": (4, 256)}, "only one matrix of the pair"),
        ({**pair(), f"{LAYER}.lora_magnitude_vector": (1, 768)}, "lora_magnitude_vector"),
        ({}, "contains no tensor"),
    ],
)
def test_foreign_adapters(refuse: Callable[[bytes], str], shapes: Shapes, why: str) -> None:
    assert why in refuse(safetensors(shapes))


def test_ranks_must_agree(refuse: Callable[[bytes], str]) -> None:
    b = f"{LAYER}.lora_B.weight"
    assert "differs" in refuse(safetensors({**pair(rank=4), b: pair(rank=8)[b]}))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"hello" * 100,
        struct.pack("<Q", 2**60) + safetensors(pair())[8:],
        struct.pack("<Q", 2) + b"[]",
        struct.pack("<Q", 50_000) + b"[" * 50_000,
        safetensors(pair())[:-1],
        safetensors(pair(), "F64"),
    ],
    ids=["empty", "text", "endless header", "list", "nested", "cut", "doubles"],
)
def test_damaged_files(refuse: Callable[[bytes], str], data: bytes) -> None:
    assert refuse(data) == "the adapter is not a complete safetensors file of floats"


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(LoadError, match=r"^the adapter file does not exist$"):
        check(tmp_path / "absent.safetensors", MODEL)


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ({"r": 8, "lora_alpha": 16}, 2.0),
        ({"r": 16, "lora_alpha": 8, "use_rslora": True}, 2.0),
        ({"r": 8, "lora_alpha": 16, "alpha_pattern": {}}, 2.0),
    ],
)
def test_scaling(tmp_path: Path, config: dict[str, Any], expected: float) -> None:
    (tmp_path / "adapter_config.json").write_text(json.dumps(config))
    assert scaling(tmp_path / "adapter_model.safetensors") == expected


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("{", "is invalid"),
        ("[]", "is invalid"),
        ('{"r": 0, "lora_alpha": 8}', "is invalid"),
        ('{"r": 8, "lora_alpha": 8, "rank_pattern": {"q_proj": 4}}', "scaling per layer"),
    ],
)
def test_scaling_that_cannot_be_had(tmp_path: Path, text: str, why: str) -> None:
    (tmp_path / "adapter_config.json").write_text(text)
    with pytest.raises(LoadError, match=why):
        scaling(tmp_path / "adapter_model.safetensors")


def test_without_a_configuration_nothing_is_scaled(tmp_path: Path) -> None:
    assert scaling(tmp_path / "adapter_model.safetensors") == 1.0


def test_layers_are_the_products_with_weights() -> None:
    layers = {layer.name.split("/")[0]: layer for layer in read_layers(MODEL)}
    assert len(layers) == 5 * 7 + 1
    up = layers["__module.model.layers.3.mlp.up_proj"]
    assert (up.inputs, up.outputs) == (256, 768)
