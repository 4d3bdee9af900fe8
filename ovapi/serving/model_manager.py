"""ModelManager: the models of one server, from their engines' making to their end."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from contextlib import suppress
from dataclasses import fields

from ovapi import logs
from ovapi.config.engine_options import EngineOptions
from ovapi.config.settings import Config, ModelConfig
from ovapi.engine.base import Engine, EngineSpec, EngineState, Post
from ovapi.engine.factory import make_engine
from ovapi.engine.memory_estimate import estimate_memory
from ovapi.serving import tuning_profile as profile
from ovapi.serving.lifecycle import START, ModelLifecycle
from ovapi.serving.memory_budget import MemoryBudget
from ovapi.serving.metrics.metrics import Metrics
from ovapi.serving.model import Model
from ovapi.serving.registry import ModelRegistry

log = logging.getLogger("ovapi.serving.model_manager")


class ModelManager:
    """Models come with a configuration and go with another; see `take_over`."""

    def __init__(self, config: Config, executor: Executor, post: Post) -> None:
        """Makes the engines and starts none. `on_change` is called after each change of one."""
        self.on_change: Callable[[ModelConfig, EngineState], None] = lambda *_: None
        self._config = config
        self._executor = executor
        self._post = post
        self._retiring: dict[Model, asyncio.Task[None]] = {}
        self._budget = MemoryBudget(self._lifecycles, config.memory_budget)
        models = [self._model(entry) for entry in config.models]
        self.registry = ModelRegistry(models, config.default_model)

    def _lifecycles(self) -> Iterator[ModelLifecycle]:
        return (model.lifecycle for model in (*self.registry, *self._retiring))

    def _model(self, entry: ModelConfig) -> Model:
        def make() -> Engine:
            spec = self._spec(entry)
            return make_engine(entry.engine, spec, self._executor, self._post)

        model = Model(entry, make(), make)
        model.lifecycle.room = self._budget
        model.lifecycle.estimate = lambda: estimate_memory(engine_spec(self._config, entry))
        model.lifecycle.on_state = lambda state: self._engine_state(entry, state)
        return model

    def _engine_state(self, entry: ModelConfig, state: EngineState) -> None:
        log_state(entry, state)
        self.on_change(entry, state)

    def _spec(self, entry: ModelConfig) -> EngineSpec:
        """With the properties of the profile that is in force, which the log then names."""
        choice = profile.choose(self._config, entry)
        for reason in choice.ignored:
            log.warning("model %s: %s: ignored", entry.name, reason)
        if choice.profile is not None:
            log.info("model %s: profile %s", entry.name, choice.profile)
            entry = choice.profile.apply(entry)
        return engine_spec(self._config, entry)

    def start(self) -> None:
        """Begin to load every model that does not wait to be asked for."""
        for model in self.registry:
            self._start(model)
        if not list(self.registry):
            log.warning("no models found: put one into the models folder")

    def _start(self, model: Model) -> None:
        if model.config.load == "eager":
            model.lifecycle.load(START)
        else:
            log.info("model %s: loads on the first request", model.name)

    def take_over(self, config: Config, metrics: Metrics) -> None:
        """Have the models of `config`: those that are new load, those that are gone retire."""
        self._config = config
        self._budget.limit = config.memory_budget
        known = {model.name: model for model in self.registry}
        added = [self._model(entry) for entry in config.models if entry.name not in known]
        known.update({model.name: model for model in added})
        models = [known.pop(entry.name) for entry in config.models]
        for model, entry in zip(models, config.models, strict=True):
            model.config = entry
        self.registry.hold(models, config.default_model)
        for model in added:
            metrics.watch(model)
            self._start(model)
        for model in known.values():
            self._retiring[model] = asyncio.create_task(self._retire(model, metrics))

    async def _retire(self, model: Model, metrics: Metrics) -> None:
        """End a model that nobody can ask for any more, once its requests have ended."""
        log.info(
            "model %s: will be removed after %d requests in flight", model.name, model.in_flight
        )
        with suppress(TimeoutError):
            await asyncio.wait_for(model.idle(), self._config.server.drain_seconds)
        await model.lifecycle.close()
        metrics.forget(model)
        del self._retiring[model]

    async def close(self) -> None:
        """End every engine; return when they are gone."""
        for task in self._retiring.values():
            task.cancel()
        await asyncio.gather(*(lifecycle.close() for lifecycle in self._lifecycles()))


def engine_spec(config: Config, entry: ModelConfig) -> EngineSpec:
    """What the engine of a model is told."""
    return EngineSpec(
        **{option.name: getattr(entry, option.name) for option in fields(EngineOptions)},
        compile_cache=config.compile_cache,
        log_level=config.logging.level,
        log_format=logs.choose(config.logging.format),
    )


def log_state(entry: ModelConfig, state: EngineState) -> None:
    """One line for each change of an engine's state."""
    if state.status == "failed":
        log.error("model %s: not available: %s", entry.name, state.detail)
    elif state.status == "ready" and state.info is not None:
        info = state.info
        cache = f"{info.cache_bytes / 2**20:.0f} MiB" if info.cache_bytes else "unbounded"
        log.info(
            "model %s: ready on %s, context %d tokens, KV cache %s",
            entry.name, info.device, info.context, cache,
        )  # fmt: skip
    elif state.detail:
        log.info("model %s: %s: %s", entry.name, state.status, state.detail)
    elif state.status not in ("unloaded", "loading"):  # of which the residence tells
        log.info("model %s: %s", entry.name, state.status)
