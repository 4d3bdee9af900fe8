"""What the configuration of a model and its engine have in common, described once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class AdapterConfig:
    """A LoRA adapter, part of a model for good: its safetensors file, or the folder of it, and how
    strongly it acts."""

    path: Path
    alpha: float = 1.0


@dataclass(frozen=True)
class SpeculationConfig:
    """Speculative decoding: `tokens` draft tokens are verified in one step.

    They come from what followed the last `ngram` tokens earlier in the text (prompt lookup), or
    from a smaller model of the same vocabulary, in the folder `draft`.
    """

    tokens: int = 5
    ngram: int = 3
    draft: Path | None = None
    device: str = "CPU"
    properties: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class EngineOptions:
    """How a model is loaded and run; times in seconds, sizes in bytes.

    `context` None: as the model's config.json says. `cache_bytes` None: a bounded share of the free
    memory. `max_running` is how many requests decode together. `max_batched_tokens` None: the
    profile's, else the engine's default. While a long prompt is prefilled, a token takes those that
    decode `max_slowdown` times as long on average. An engine process that has work and reports
    nothing for `stall_seconds`, or is not ready `load_seconds` after its start, is replaced.
    `tool_format` and `reasoning_format` are how the model writes calls and thought: the name of a
    format, `auto` or `none`. With `tools_by_system_message` a system message tells the model of
    tools if its chat template does not.
    """

    name: str
    path: Path
    device: str = "CPU"
    context: int | None = None
    cache_bytes: int | None = None
    properties: Mapping[str, Any] = field(default_factory=dict)
    adapter: AdapterConfig | None = None
    speculation: SpeculationConfig | None = None
    max_running: int = 32
    max_batched_tokens: int | None = None
    max_slowdown: float = 2.5
    stall_seconds: float = 60.0
    load_seconds: float = 600.0
    tool_format: str = "auto"
    reasoning_format: str = "auto"
    tools_by_system_message: bool = False
