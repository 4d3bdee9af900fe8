"""Loads a model for the paged engine."""

from __future__ import annotations

import logging
import os
import time
from typing import Any

from ovapi.engine.base import EngineInfo, EngineSpec
from ovapi.engine.cache import CacheSize, cache_size
from ovapi.engine.device import bound_kernel_caches, check_device, properties
from ovapi.engine.facts import ModelFacts
from ovapi.engine.failure import LoadError
from ovapi.engine.loading import make_intake
from ovapi.engine.paged.blocks import BlockPool
from ovapi.engine.paged.engine import PagedEngine
from ovapi.engine.paged.graph import UnsupportedModel, read_paged
from ovapi.engine.paged.prefix_cache import PrefixCache
from ovapi.engine.paged.runner import Runner
from ovapi.engine.paged.sequence import BLOCK

log = logging.getLogger(__name__)


def load_paged(spec: EngineSpec) -> tuple[PagedEngine, EngineInfo]:
    """Raises UnsupportedModel where the batching engine may serve the model, and LoadError."""
    import openvino
    import openvino_genai as genai

    bound_kernel_caches()
    started = time.monotonic()
    facts = ModelFacts.read(spec.path, spec.context)
    check_device(spec.device)
    _check_spec(spec)
    core = openvino.Core()
    runner = Runner(core, read_paged(core, spec.path), spec.device, properties(spec))
    blocks = _blocks(cache_size(spec, facts), runner)
    runner.allocate(blocks)
    intake = make_intake(genai.Tokenizer(spec.path), facts, blocks * BLOCK)
    engine = PagedEngine(runner, PrefixCache(BlockPool(blocks)), intake, spec)
    _log_loaded(spec, started, blocks, runner)
    return engine, EngineInfo(
        context=facts.context,
        cache_tokens=blocks * BLOCK,
        cache_bytes=blocks * runner.block_bytes,
        vocabulary=intake.vocabulary,
        device=spec.device,
        pid=os.getpid(),
    )


def _check_spec(spec: EngineSpec) -> None:
    """Refuse what is not built. On a GPU blocks are of 16 tokens, in memory of its own."""
    if spec.device.upper() != "CPU":
        raise UnsupportedModel(f"paged attention is driven on the CPU only, not on {spec.device}")
    if spec.adapter is not None:
        raise UnsupportedModel("the paged engine takes no adapter")


def _blocks(size: CacheSize, runner: Runner) -> int:
    """As many as the size holds, of the size that they really have."""
    blocks = size.size_bytes // runner.block_bytes
    if blocks < 1:
        raise LoadError(f"the cache is smaller than one block of {runner.block_bytes} bytes")
    return blocks


def _log_loaded(spec: EngineSpec, started: float, blocks: int, runner: Any) -> None:
    log.info(
        "model %s loaded on %s in %.1f s: paged attention, cache of %d MiB, %d tokens",
        spec.name,
        spec.device,
        time.monotonic() - started,
        blocks * runner.block_bytes >> 20,
        blocks * BLOCK,
    )
