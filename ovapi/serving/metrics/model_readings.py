"""What the metrics read of a model when they are asked for, and under which names."""

from __future__ import annotations

from collections import Counter as Counted
from collections.abc import Callable

from ovapi.engine.base import EngineState
from ovapi.serving.life.lifecycle import LOAD_REASONS, UNLOAD_REASONS, ModelLifecycle
from ovapi.serving.metrics.request_metrics import RequestMetrics
from ovapi.serving.model import Model


class WatchedModel:
    """A model, what its requests have come to, and how often its engine has begun again."""

    def __init__(self, model: Model, requests: RequestMetrics) -> None:
        self.model = model
        self.requests = requests
        self.restarts = 0
        self.replayed = 0

    def came_to(self, state: EngineState) -> None:
        """An engine that restarts says so before it gives its requests to its successor."""
        if state.status == "restarting":
            self.restarts += 1
            self.replayed += self.model.started


BY_MODEL = ["model_name"]
Reading = tuple[str, str, Callable[[WatchedModel], float | None]]
"""Name, text and where to read it; None is not known, and then there is no time series."""
GAUGES: tuple[Reading, ...] = (
    (
        "model_ready", "1 while the model is ready for requests, else 0.",
        lambda one: float(one.model.engine.state.status == "ready"),
    ),
    (
        "model_loaded", "1 while the model is in memory, else 0.",
        lambda one: float(one.model.engine.state.status in ("ready", "restarting")),
    ),
    (
        "num_requests_running", "Running engine requests.",
        lambda one: float(one.model.stats.running),
    ),
    (
        "num_requests_waiting", "Queued engine requests.",
        lambda one: float(one.model.stats.waiting),
    ),
    (
        "kv_cache_usage_perc", "KV cache usage, from 0 to 1.",
        lambda one: one.model.stats.cache_usage,
    ),
)  # fmt: skip
BY_REASON: tuple[
    tuple[str, str, Callable[[ModelLifecycle], Counted[str]], tuple[str, ...]], ...
] = (
    (
        "model_loads", "Model loads: at startup, or for a request.",
        lambda lifecycle: lifecycle.loads, LOAD_REASONS,
    ),
    (
        "model_unloads",
        "Model unloads: idle, on request, or to make room for another model.",
        lambda lifecycle: lifecycle.unloads, UNLOAD_REASONS,
    ),
)  # fmt: skip
COUNTERS: tuple[Reading, ...] = (
    ("prompt_tokens", "Prompt tokens.", lambda one: one.requests.prompt_tokens),
    ("generation_tokens", "Generated tokens.", lambda one: one.requests.generation_tokens),
    (
        "prefix_cache_queries",
        "Prompt tokens looked up in the prefix cache, where the engine reports them.",
        lambda one: one.requests.cache_queries or None,
    ),
    (
        "spec_decode_num_accepted_tokens",
        "Draft tokens accepted by speculative decoding.",
        lambda one: one.requests.accepted_tokens,
    ),
    (
        "prefix_cache_hits",
        "Prompt tokens found in the prefix cache, where the engine reports them.",
        lambda one: one.requests.cache_hits if one.requests.cache_queries else None,
    ),
    ("engine_restarts", "Engine process restarts.", lambda one: one.restarts),
    (
        "requests_replayed", "Engine requests in flight during a restart and resumed after it.",
        lambda one: one.replayed,
    ),
)  # fmt: skip
