"""Footprint: what an engine will take in memory, as far as can be said before it is loaded."""

from __future__ import annotations

from pathlib import Path

from ovapi.engine.base import EngineSpec
from ovapi.engine.kv_cache_size import cache_size
from ovapi.engine.load_error import LoadError
from ovapi.engine.model_files import ModelFiles

_PROCESS = 160 * 2**20
_COPIES = 2
"""The files, mapped, and what OpenVINO makes of them."""


def estimate_memory(spec: EngineSpec) -> int:
    """Bytes: the files twice, the whole KV cache and the process itself."""
    draft = _draft(spec)
    folders = [spec.path, draft] if draft is not None else [spec.path]
    files = [file for folder in folders for file in folder.glob("*") if file.is_file()]
    if spec.adapter is not None and spec.adapter.path.is_file():
        files.append(spec.adapter.path)
    return _COPIES * sum(file.stat().st_size for file in files) + _cache(spec) + _PROCESS


def _draft(spec: EngineSpec) -> Path | None:
    """The folder of its draft model, if it has one."""
    return spec.speculation.draft if spec.speculation is not None else None


def _cache(spec: EngineSpec) -> int:
    draft = _draft(spec)
    try:
        files = ModelFiles.read(spec.path, spec.context)
        speculation_settings = ModelFiles.read(draft, files.context) if draft is not None else None
        return cache_size(spec, files, speculation_settings).size_bytes
    except LoadError:
        return 0  # it will not load
