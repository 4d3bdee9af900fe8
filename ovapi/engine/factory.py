"""Which engine serves a spec: in the server process, and in the child that it may have.

A further kind is a line in `_ENGINES`, and one in `_WORKLOADS` if it has a child.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import replace

from ovapi.engine.base import Engine, EngineInfo, EngineSpec, Post
from ovapi.engine.docstrings import keep_docstrings
from ovapi.engine.process.workload import LoadWorkload, Outlet, Workload

log = logging.getLogger(__name__)


def make_engine(kind: str, spec: EngineSpec, executor: Executor, post: Post) -> Engine:
    """An engine of `kind` ("auto", "batching", "paged" or "simple") for `spec`, not started yet."""
    if kind == "auto":
        kind = "simple" if spec.device.upper().startswith("NPU") else "batching"
    if kind not in _ENGINES:
        raise ValueError(f"unknown kind of engine {kind!r}")
    keep_docstrings()
    return _ENGINES[kind](replace(spec, kind=kind), executor, post)


def load_workload(spec: EngineSpec, outlet: Outlet) -> tuple[Workload, EngineInfo]:
    """What the child of an engine for `spec` does. Raises what loading it raises."""
    keep_docstrings()
    return _WORKLOADS[spec.kind](spec, outlet)


def _generating(spec: EngineSpec, executor: Executor, post: Post) -> Engine:
    from ovapi.engine.generation.engine import ProcessEngine

    return ProcessEngine(spec, post)


def _simple(spec: EngineSpec, executor: Executor, post: Post) -> Engine:
    from ovapi.engine.genai.simple import SimpleEngine

    return SimpleEngine(spec, executor, post)


def _batching(spec: EngineSpec, outlet: Outlet) -> tuple[Workload, EngineInfo]:
    from ovapi.engine.genai.loader import load_batching
    from ovapi.engine.generation.workload import GenerationWorkload

    pipeline, info = load_batching(spec)
    return GenerationWorkload(pipeline, outlet), info


def _paged(spec: EngineSpec, outlet: Outlet) -> tuple[Workload, EngineInfo]:
    """The batching pipeline serves what the paged one does not support."""
    from ovapi.engine.generation.workload import GenerationWorkload
    from ovapi.engine.paged.graph import UnsupportedModel
    from ovapi.engine.paged.loader import load_paged

    try:
        pipeline, info = load_paged(spec)
    except UnsupportedModel as error:
        log.warning("model %s falls back to the batching engine: %s", spec.name, error)
        return _batching(spec, outlet)
    return GenerationWorkload(pipeline, outlet), info


_ENGINES: dict[str, Callable[[EngineSpec, Executor, Post], Engine]] = {
    "batching": _generating,
    "paged": _generating,
    "simple": _simple,
}
_WORKLOADS: dict[str, LoadWorkload] = {
    "batching": _batching,
    "paged": _paged,
}
