"""Loads a model for the paged engine."""

from __future__ import annotations

import logging
import os
import time
from dataclasses import replace
from typing import Any

from ovapi.engine.base import EngineInfo, EngineSpec
from ovapi.engine.genai.device import bound_kernel_caches, check_device, properties
from ovapi.engine.genai.loader import make_input_processor
from ovapi.engine.kv_cache_size import CacheSize, cache_size
from ovapi.engine.load_error import LoadError
from ovapi.engine.model_files import ModelFiles
from ovapi.engine.paged.blocks import BlockPool
from ovapi.engine.paged.graph import UnsupportedModel, read_paged
from ovapi.engine.paged.lora import Adapter, add_inputs
from ovapi.engine.paged.pipeline import PagedPipeline
from ovapi.engine.paged.prefix_cache import PrefixCache
from ovapi.engine.paged.runner import Runner
from ovapi.engine.paged.sequence import BLOCK

log = logging.getLogger(__name__)


def load_paged(spec: EngineSpec) -> tuple[PagedPipeline, EngineInfo]:
    """A pipeline that has given logits.

    Raises UnsupportedModel where the batching one may serve the model, LoadError, or whatever
    OpenVINO raises.
    """
    import openvino
    import openvino_genai as genai

    bound_kernel_caches()
    started = time.monotonic()
    files = ModelFiles.read(spec.path, spec.context)
    check_device(spec.device)
    _check_spec(spec)
    core = openvino.Core()
    model = read_paged(core, spec.path)
    adapters = {"": Adapter.read(spec.adapter, spec.path)} if spec.adapter is not None else {}
    if adapters:
        add_inputs(model, list(adapters.values()))
    runner = Runner(core, model, spec.device, properties(spec))
    if adapters:
        runner.use(adapters)
    blocks = _blocks(cache_size(spec, files), runner)
    runner.allocate(blocks)
    input_processor = make_input_processor(genai.Tokenizer(spec.path), files, blocks * BLOCK)
    input_processor = replace(input_processor, prompt_logprobs=True)
    pipeline = PagedPipeline(runner, PrefixCache(BlockPool(blocks)), input_processor, spec)
    if not pipeline.probe():
        raise LoadError("the model loads but generates no token")
    _log_loaded(spec, started, blocks, runner)
    return pipeline, EngineInfo(
        context=files.context,
        cache_tokens=blocks * BLOCK,
        cache_bytes=blocks * runner.block_bytes,
        vocabulary=input_processor.vocabulary,
        device=spec.device,
        pid=os.getpid(),
        token_bytes=input_processor.table.longest,
    )


def _check_spec(spec: EngineSpec) -> None:
    """Raise UnsupportedModel for what the engine does not do.

    On a GPU, blocks hold 16 tokens and the cache is in remote tensors.
    """
    if spec.device.upper() != "CPU":
        raise UnsupportedModel(f"the paged engine runs on the CPU only, not on {spec.device}")
    if spec.speculation is not None and spec.speculation.draft is not None:
        raise UnsupportedModel("the paged engine takes no draft model")


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
