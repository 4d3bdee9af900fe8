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
from ovapi.engine.genai.speculation import read_draft
from ovapi.engine.kv_cache_size import CacheSize, cache_size
from ovapi.engine.load_error import LoadError
from ovapi.engine.model_files import ModelFiles
from ovapi.engine.paged.adapters.lora import Adapter, add_inputs
from ovapi.engine.paged.cache.blocks import BlockPool
from ovapi.engine.paged.cache.prefix_cache import PrefixCache
from ovapi.engine.paged.drafting.draft_model import DraftModel
from ovapi.engine.paged.graph import UnsupportedModel, read_paged
from ovapi.engine.paged.pipeline import PagedPipeline
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
    _check_device(spec.device)
    draft_files = read_draft(spec.speculation, files)
    core = openvino.Core()
    runner = _runner(core, spec)
    draft = _draft_runner(core, spec)
    size = cache_size(spec, files, draft_files)
    blocks = _blocks(size, runner.block_bytes + (draft.block_bytes if draft else 0))
    for one in filter(None, (runner, draft)):
        one.allocate(blocks)
    context = min(files.context, draft_files.context) if draft_files else files.context
    input_processor = make_input_processor(genai.Tokenizer(spec.path), files, blocks * BLOCK, spec)
    input_processor = replace(input_processor, context=context, prompt_logprobs=True)
    cache = PrefixCache(BlockPool(blocks))
    pipeline = PagedPipeline(runner, cache, input_processor, spec, _draft_model(spec, draft))
    if not pipeline.probe():
        raise LoadError("the model loads but generates no token")
    _log_loaded(spec, started, blocks, runner)
    return pipeline, EngineInfo(
        context=context,
        cache_tokens=blocks * BLOCK,
        cache_bytes=size.size_bytes,
        vocabulary=input_processor.vocabulary,
        device=spec.device,
        pid=os.getpid(),
        token_bytes=input_processor.table.longest,
        language=input_processor.encoder.language,
    )


def _runner(core: Any, spec: EngineSpec) -> Runner:
    """The model, with its adapter as that of every request."""
    model = read_paged(core, spec.path)
    if spec.adapter is None:
        return Runner(core, model, spec.device, properties(spec))
    adapter = Adapter.read(spec.adapter, spec.path)
    add_inputs(model, [adapter])
    runner = Runner(core, model, spec.device, properties(spec))
    runner.use({"": adapter})
    return runner


def _draft_runner(core: Any, spec: EngineSpec) -> Runner | None:
    speculation = spec.speculation
    if speculation is None or speculation.draft is None:
        return None
    _check_device(speculation.device)
    model = read_paged(core, speculation.draft)
    return Runner(core, model, speculation.device, speculation.properties)


def _draft_model(spec: EngineSpec, runner: Runner | None) -> DraftModel | None:
    if spec.speculation is None or runner is None:
        return None
    return DraftModel(runner, spec.speculation.tokens)


def _check_device(device: str) -> None:
    """Raise UnsupportedModel where the engine does not run.

    On a GPU, blocks hold 16 tokens and the cache is in remote tensors.
    """
    if device.upper() != "CPU":
        raise UnsupportedModel(f"the paged engine runs on the CPU only, not on {device}")


def _blocks(size: CacheSize, block_bytes: int) -> int:
    """As many as the size holds, of the size that they really have."""
    blocks = size.size_bytes // block_bytes
    if blocks < 1:
        raise LoadError(f"the cache is smaller than one block of {block_bytes} bytes")
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
