"""Space: which settings are worth a trial, on a device and a processor."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

Setting = Mapping[str, Any]
"""Properties of OpenVINO by name; `max_batched_tokens` is the scheduler's and stands among them."""

BATCHED = "max_batched_tokens"
_PRECISIONS = {"FP32": "f32", "BF16": "bf16", "FP16": "f16"}
_PRECISION = "INFERENCE_PRECISION_HINT"
_GROUP = "DYNAMIC_QUANTIZATION_GROUP_SIZE"


class Space:
    """`defaults` are the device's properties that can be set; those in `fixed` stay as they are.

    `pairs` are settings whose parts do nothing alone: a quantization group acts on matrix products
    in f32 only, and f32 without one is slow. `axes` have the values of one property each, those
    first that matter most.
    """

    def __init__(
        self, defaults: Mapping[str, Any], capabilities: Sequence[str], fixed: Setting
    ) -> None:
        wanted: dict[str, list[Any]] = {
            _PRECISION: [_PRECISIONS[name] for name in capabilities if name in _PRECISIONS],
            _GROUP: [0, 32, 64, 128],
            BATCHED: [64, 128, 512, 1024],
            "KV_CACHE_PRECISION": ["u8", "f16", "bf16", "f32", "u4"],
            "INFERENCE_NUM_THREADS": _threads(),
            **_placement(),
            "TBB_PARTITIONER": ["AUTO"],
            "CPU_DENORMALS_OPTIMIZATION": [True],
            "PERFORMANCE_HINT": ["THROUGHPUT"],
        }
        self.axes: dict[str, list[Any]] = {}
        for name, values in wanted.items():
            free = name not in fixed and (name == BATCHED or name in defaults)
            others = [value for value in values if value != defaults.get(name)]
            if free and others:
                self.axes[name] = others
        self.pairs: list[Setting] = [
            {_PRECISION: precision, _GROUP: group}
            for precision in self.axes.get(_PRECISION, ())
            for group in self.axes.get(_GROUP, ())
            if precision == "f32" and group
        ]


def _threads() -> list[int]:
    """Fewer leave room for the server and its neighbours; more than cores use hyper-threads."""
    usable = len(os.sched_getaffinity(0))
    return [count for count in sorted({usable // 2, usable - 1, usable}) if count > 0]


def _placement() -> dict[str, list[Any]]:
    """What there is to choose on this processor."""
    found: dict[str, list[Any]] = {"ENABLE_CPU_PINNING": [False]}
    if any(not text.isdigit() for text in _topology("thread_siblings_list")):
        found["ENABLE_HYPER_THREADING"] = [True, False]
    if Path("/sys/devices/cpu_atom").exists():
        found["SCHEDULING_CORE_TYPE"] = ["PCORE_ONLY", "ECORE_ONLY"]
    if len(_topology("physical_package_id")) > 1:
        found["ENABLE_TENSOR_PARALLEL"] = [True]
    return found


def _topology(name: str) -> set[str]:
    """What the processors' files of that name say."""
    files = Path("/sys/devices/system/cpu").glob(f"cpu[0-9]*/topology/{name}")
    return {file.read_text().strip() for file in files}
