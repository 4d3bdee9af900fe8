"""LoRA adapters: what OpenVINO GenAI gets to build one into a pipeline for good.

GenAI reads past the end of a cut file, dies of an empty one, and serves the plain model when an
adapter's names or sizes are those of another model. So everything is checked here first.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ovapi.config.engine_options import AdapterConfig
from ovapi.engine.genai.layers import Layer, read_layers
from ovapi.engine.load_error import LoadError

FILE = "adapter_model.safetensors"
_NAME = re.compile(r"base_model\.model\.(?P<layer>.+)\.lora_(?P<part>[AB])\.weight")
_SIZES = {"F32": 4, "F16": 2, "BF16": 2}
_MAX_HEADER_BYTES = 100 * 2**20


@dataclass(frozen=True, slots=True)
class _Tensor:
    dtype: str
    shape: tuple[int, ...]


def pipeline_adapter(spec: AdapterConfig, model: Path) -> Any:
    """The `adapters` property of a pipeline for the model in that folder. Raises LoadError."""
    import openvino_genai as genai

    file = spec.path / FILE if spec.path.is_dir() else spec.path
    check(file, model)
    # The separate matrices leave the weights as they are: compressed, and shared by processes.
    mode = genai.AdapterConfig.Mode.MODE_STATIC
    return genai.AdapterConfig(genai.Adapter(file), spec.alpha * scaling(file), mode=mode)


def check(file: Path, model: Path) -> None:
    """Raise LoadError unless each tensor in the file is half of a pair that fits a layer."""
    tensors = _read_header(file)
    layers = read_layers(model)
    for name in tensors:
        match = _NAME.fullmatch(name)
        if match is None:
            raise LoadError(
                f"the adapter contains '{name}', which is not a LoRA matrix in PEFT format"
            )
        _check_pair(match["layer"], tensors, layers)


def _check_pair(layer: str, tensors: Mapping[str, _Tensor], layers: Sequence[Layer]) -> None:
    pair = [tensors.get(f"base_model.model.{layer}.lora_{part}.weight") for part in "AB"]
    if pair[0] is None or pair[1] is None:
        raise LoadError(f"the adapter contains only one matrix of the pair for '{layer}'")
    a, b = pair[0], pair[1]
    # GenAI applies a pair to every layer in whose name it finds the pair's own.
    targets = [target for target in layers if layer in target.name]
    if not targets:
        raise LoadError(f"the adapter is for another model: this one has no layer '{layer}'")
    fits = a.dtype == b.dtype and len(a.shape) == len(b.shape) == 2 and a.shape[0] == b.shape[1]
    for target in targets:
        if not fits or (a.shape[1], b.shape[0]) != (target.inputs, target.outputs):
            raise LoadError(f"the adapter is for another model: the size of '{layer}' differs")


def _read_header(file: Path) -> dict[str, _Tensor]:
    """The tensors that a safetensors file holds, all of them wholly inside the file."""
    try:
        size = file.stat().st_size
        with file.open("rb") as stream:
            length = int.from_bytes(stream.read(8), "little")
            header = json.loads(stream.read(min(length, _MAX_HEADER_BYTES)))
        header.pop("__metadata__", None)
        tensors = {name: _tensor(entry, size - 8 - length) for name, entry in header.items()}
    except FileNotFoundError:
        raise LoadError("the adapter file does not exist") from None
    except OSError:
        raise LoadError("the adapter file cannot be read") from None
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        raise LoadError("the adapter is not a complete safetensors file of floats") from None
    if not tensors:
        raise LoadError("the adapter contains no tensor")
    return tensors


def _tensor(entry: Mapping[str, Any], data: int) -> _Tensor:
    """One entry of the header; `data` is the size of what follows it. Raises for nonsense."""
    shape = tuple(map(int, entry["shape"]))
    start, end = entry["data_offsets"]
    if not 0 <= start <= end <= data or end - start != math.prod(shape) * _SIZES[entry["dtype"]]:
        raise ValueError("the data is outside of the file")
    return _Tensor(entry["dtype"], shape)


def scaling(file: Path) -> float:
    """What PEFT multiplies an adapter with: adapter_config.json says it, and GenAI ignores it."""
    try:
        config = json.loads(file.with_name("adapter_config.json").read_text(encoding="utf-8"))
        if config.get("rank_pattern") or config.get("alpha_pattern"):
            raise LoadError("adapter_config.json has a scaling per layer, which is not supported")
        rank = float(config["r"])
        return float(config["lora_alpha"]) / (math.sqrt(rank) if config.get("use_rslora") else rank)
    except FileNotFoundError:
        return 1.0
    except (OSError, ValueError, TypeError, KeyError, AttributeError, ZeroDivisionError):
        raise LoadError("adapter_config.json is invalid") from None
