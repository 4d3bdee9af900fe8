"""Loads a model for either engine: its files, the tokenizer, the pipeline."""

from __future__ import annotations

import logging
import os
import time
from dataclasses import replace
from typing import Any

from ovapi.config.engine_options import EngineOptions
from ovapi.engine.base import EngineInfo, EngineSpec
from ovapi.engine.genai.batching import BatchingPipeline
from ovapi.engine.genai.device import bound_kernel_caches, check_device, properties
from ovapi.engine.genai.lora import pipeline_adapter
from ovapi.engine.genai.speculation import pipeline_settings, read_draft
from ovapi.engine.kv_cache_size import CacheSize, cache_size
from ovapi.engine.load_error import LoadError
from ovapi.engine.model_files import ModelFiles
from ovapi.engine.model_language import language_options
from ovapi.engine.text.detokenizer import TokenTable
from ovapi.engine.text.input_processor import InputProcessor
from ovapi.engine.text.prompt import PromptEncoder

log = logging.getLogger(__name__)


def load_batching(spec: EngineSpec) -> tuple[BatchingPipeline, EngineInfo]:
    """A pipeline that has given a token. Raises LoadError, or whatever OpenVINO raises."""
    import openvino_genai as genai

    bound_kernel_caches()
    started = time.monotonic()
    files = ModelFiles.read(spec.path, spec.context)
    check_device(spec.device)
    draft = read_draft(spec.speculation, files)
    size = cache_size(spec, files, draft)
    scheduler = _scheduler(genai, spec, size)
    settings = _settings(spec)

    def build() -> Any:
        speculation_settings = pipeline_settings(genai, spec, scheduler)
        return genai.ContinuousBatchingPipeline(
            spec.path, scheduler, spec.device, {**settings, **speculation_settings}
        )

    context = min(files.context, draft.context) if draft else files.context
    input_processor = make_input_processor(genai.Tokenizer(spec.path), files, size.tokens, spec)
    input_processor = replace(input_processor, context=context, speculation=spec.speculation)
    pipeline = BatchingPipeline(genai, build, input_processor, spec)
    if not pipeline.probe():
        raise LoadError("the model loads but generates no token")
    _log_loaded(spec, started, f"cache of {size.size_bytes >> 20} MiB, {size.tokens} tokens")
    return pipeline, EngineInfo(
        context=context,
        cache_tokens=size.tokens,
        cache_bytes=size.size_bytes,
        vocabulary=input_processor.vocabulary,
        device=spec.device,
        pid=os.getpid(),
        token_bytes=input_processor.table.longest,
        language=input_processor.encoder.language,
    )


def load_single(spec: EngineSpec) -> tuple[Any, InputProcessor, EngineInfo]:
    """An LLMPipeline for one request at a time. Raises LoadError, or whatever OpenVINO raises."""
    import openvino_genai as genai

    bound_kernel_caches()
    started = time.monotonic()
    files = ModelFiles.read(spec.path, spec.context)
    check_device(spec.device)
    if spec.speculation is not None:
        raise LoadError("speculative decoding requires the batching engine")
    settings = _settings(spec)
    if not spec.device.upper().startswith("NPU"):
        # the other back end is continuous batching again, with a cache that never shrinks
        settings.setdefault("ATTENTION_BACKEND", "SDPA")
    pipeline = genai.LLMPipeline(spec.path, spec.device, **settings)
    input_processor = make_input_processor(pipeline.get_tokenizer(), files, None, spec)
    _log_loaded(spec, started, "one request at a time")
    info = EngineInfo(
        context=files.context,
        cache_tokens=None,
        cache_bytes=None,
        vocabulary=input_processor.vocabulary,
        device=spec.device,
        at_once=1,
        language=input_processor.encoder.language,
    )
    return pipeline, input_processor, info


def make_input_processor(
    tokenizer: Any, files: ModelFiles, cache: int | None, options: EngineOptions
) -> InputProcessor:
    table = TokenTable.build(tokenizer)
    eos_ids = files.eos_ids
    if not eos_ids and tokenizer.get_eos_token_id() >= 0:
        eos_ids = frozenset((tokenizer.get_eos_token_id(),))
    return InputProcessor(
        encoder=PromptEncoder(tokenizer, files, table.special_texts(), language_options(options)),
        table=table,
        eos_ids=eos_ids,
        vocabulary=files.vocabulary or len(table.pieces),
        context=files.context,
        cache=cache,
    )


def _settings(spec: EngineSpec) -> dict[str, Any]:
    """Properties for the pipeline. An adapter is part of it for good: only so do steps see it."""
    settings = properties(spec)
    if spec.adapter is not None:
        settings["adapters"] = pipeline_adapter(spec.adapter, spec.path)
    return settings


def _scheduler(genai: Any, spec: EngineSpec, size: CacheSize) -> Any:
    config = genai.SchedulerConfig()
    # without it a prompt longer than max_num_batched_tokens raises inside step()
    config.dynamic_split_fuse = True
    config.enable_prefix_caching = True
    config.max_num_batched_tokens = spec.batched_tokens
    if size.blocks is None:
        config.cache_size = size.gigabytes
    else:
        config.num_kv_blocks = size.blocks
    return config


def _log_loaded(spec: EngineSpec, started: float, how: str) -> None:
    seconds = time.monotonic() - started
    log.info("model %s loaded on %s in %.1f s: %s", spec.name, spec.device, seconds, how)
