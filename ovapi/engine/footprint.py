"""Footprint: what an engine will take in memory, as far as can be said before it is loaded."""

from __future__ import annotations

from ovapi.engine.base import EngineSpec
from ovapi.engine.cache import cache_size
from ovapi.engine.facts import ModelFacts
from ovapi.engine.failure import LoadError

_PROCESS = 160 * 2**20
_COPIES = 2
"""The files, mapped, and what OpenVINO makes of them."""


def footprint(spec: EngineSpec) -> int:
    """Bytes: the files twice, the whole KV cache and the process itself."""
    draft = spec.speculation.draft if spec.speculation is not None else None
    folders = [spec.path, draft] if draft is not None else [spec.path]
    files = [file for folder in folders for file in folder.glob("*") if file.is_file()]
    if spec.adapter is not None and spec.adapter.path.is_file():
        files.append(spec.adapter.path)
    return _COPIES * sum(file.stat().st_size for file in files) + _cache(spec) + _PROCESS


def _cache(spec: EngineSpec) -> int:
    try:
        return cache_size(spec, ModelFacts.read(spec.path, spec.context)).size_bytes
    except LoadError:
        return 0  # it will not load
