"""The matrices in a LoRA adapter's safetensors file, which must have been checked."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[np.float32]

_NAME = re.compile(r"base_model\.model\.(?P<layer>.+)\.lora_(?P<part>[AB])\.weight")


def read_matrices(file: Path) -> dict[str, tuple[Matrix, Matrix]]:
    """For each layer A [rank, inputs] and B [outputs, rank]."""
    data = memoryview(file.read_bytes())
    length = int.from_bytes(data[:8], "little")
    header = json.loads(bytes(data[8 : 8 + length]))
    found: dict[str, dict[str, Matrix]] = {}
    for name, entry in header.items():
        match = _NAME.fullmatch(name)
        if match is not None:
            found.setdefault(match["layer"], {})[match["part"]] = _matrix(entry, data[8 + length :])
    return {layer: (pair["A"], pair["B"]) for layer, pair in found.items()}


def _matrix(entry: dict[str, Any], data: memoryview) -> Matrix:
    start, end = entry["data_offsets"]
    raw = data[start:end]
    if entry["dtype"] == "BF16":
        values = (np.frombuffer(raw, np.uint16).astype(np.uint32) << 16).view(np.float32)
    else:
        values = np.frombuffer(raw, np.float16 if entry["dtype"] == "F16" else np.float32)
    return values.astype(np.float32).reshape(entry["shape"])
