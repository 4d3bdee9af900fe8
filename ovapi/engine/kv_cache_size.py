"""How much memory the KV cache of a continuous batching pipeline may take.

The pipeline allocates its blocks as address space and touches them as they fill, so a budget is
an upper bound and not a reservation. With prefix caching it will fill in time.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ovapi.engine.base import EngineSpec
from ovapi.engine.load_error import LoadError
from ovapi.engine.model_files import ModelFiles

_GIB = 1 << 30
_MAX_BYTES = 4 * _GIB
_SHARE = 0.25
_USEFUL_CONTEXTS = 16  # a small model has no use for gigabytes
_PRECISION_BYTES = {"u4": 0.5, "i4": 0.5, "u8": 1.0, "i8": 1.0, "f32": 4.0}


@dataclass(frozen=True, slots=True)
class CacheSize:
    """`blocks` None: the size of a token is not known, the pipeline counts whole `gigabytes`."""

    size_bytes: int
    blocks: int | None = None
    tokens: int | None = None

    @property
    def gigabytes(self) -> int:
        return max(1, self.size_bytes // _GIB)


def cache_size(spec: EngineSpec, files: ModelFiles, draft: ModelFiles | None = None) -> CacheSize:
    """The configured size, or a bounded share of the memory that is free now.

    A draft model has as many blocks of its own: the size is that of both together.
    """
    values = files.cache_values
    if draft is not None and values is not None:
        values = values + draft.cache_values if draft.cache_values else None
    if values is None:
        return CacheSize(spec.cache_bytes or _GIB)
    block = 16 if spec.device.upper().startswith("GPU") else 32
    block_bytes = math.ceil(block * values * _value_bytes(spec))
    context_bytes = math.ceil(files.context / block) * block_bytes
    wanted = spec.cache_bytes or _default(context_bytes)
    blocks = wanted // block_bytes
    if blocks < 1:
        raise LoadError(f"the cache is smaller than one block of {block_bytes} bytes")
    return CacheSize(blocks * block_bytes, blocks, blocks * block)


def _value_bytes(spec: EngineSpec) -> float:
    """16 bits unless configured otherwise, which holds whatever the CPU prefers or less."""
    precision: Any = spec.properties.get("KV_CACHE_PRECISION", "f16")
    return _PRECISION_BYTES.get(str(precision).lower(), 2.0)


def _default(context_bytes: int) -> int:
    share = min(_MAX_BYTES, int(_SHARE * available_memory()))
    return max(context_bytes, min(share, _USEFUL_CONTEXTS * context_bytes))


def available_memory() -> int:
    """Bytes that this process may still take: of the machine, or of its cgroup if less."""
    return min(_limits(), default=_MAX_BYTES)


def _limits() -> Iterator[int]:
    try:
        for line in Path("/proc/meminfo").read_text().splitlines():
            if line.startswith("MemAvailable:"):
                yield int(line.split()[1]) * 1024
        group = Path("/sys/fs/cgroup")
        limit = (group / "memory.max").read_text().strip()
        if limit != "max":
            yield max(0, int(limit) - int((group / "memory.current").read_text()))
    except (OSError, ValueError):
        return
