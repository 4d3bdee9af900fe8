"""ModelManager: the models of one server, from their engines' making to their end."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection, Iterator
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
from ovapi.serving.life.failed_models import FailedModels
from ovapi.serving.life.lifecycle import START, ModelLifecycle
from ovapi.serving.life.memory_budget import MemoryBudget
from ovapi.serving.metrics.metrics import Metrics
from ovapi.serving.model import Model
from ovapi.serving.registry import ModelRegistry

log = logging.getLogger("ovapi.serving.model_manager")


class ModelManager:
    """Models come with a configuration and go with another; see `take_over`."""

    def __init__(self, config: Config, executor: Executor, post: Post) -> None:
        """Makes the engines and starts none.

        `on_change` is called after each change of the engine of a model that is served,
        `on_files_changed` with models that have failed and may be loaded from what is there now.
        """
        self.on_change: Callable[[ModelConfig, EngineState], None] = lambda *_: None
        self.on_files_changed: Callable[[Collection[Model]], None] = lambda _: None
        self._config = config
        self._executor = executor
        self._post = post
        self._retiring: dict[Model, asyncio.Task[None]] = {}
        self._failed = FailedModels(executor, lambda models: self.on_files_changed(models))
        self._watch: asyncio.Task[None] | None = None
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
        model.lifecycle.on_state = lambda state: self._engine_state(model, entry, state)
        return model

    def _engine_state(self, model: Model, entry: ModelConfig, state: EngineState) -> None:
        log_state(entry, state)
        if state.status == "loading":
            self._failed.loading(model)
        if model not in self._retiring:  # another one may have its name by now
            self.on_change(entry, state)

    @property
    def failed(self) -> frozenset[str]:
        """The names of the models that could not be loaded."""
        return frozenset(model.name for model in self.registry if _has_failed(model))

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
        self._watch = asyncio.create_task(self._failed.watch(self.registry))
        for model in self.registry:
            self._start(model)
        self._log_notices()

    def _log_notices(self) -> None:
        for notice in self._config.notices:
            log.warning("%s", notice)

    def _start(self, model: Model) -> None:
        if model.config.load == "eager":
            model.lifecycle.load(START)
        else:
            log.info("model %s: loads on the first request", model.name)

    def take_over(
        self, config: Config, metrics: Metrics, retried: Collection[Model] | None = None
    ) -> None:
        """Have the models of `config`: those that are new load, those that are gone retire, and
        those that have failed are made anew; `retried` None: all of them."""
        self._config = config
        self._budget.limit = config.memory_budget
        present = list(self.registry)
        renewed = [model for model in present if _has_failed(model)] if retried is None else retried
        known = {model.name: model for model in present if model not in renewed}
        added = [self._model(entry) for entry in config.models if entry.name not in known]
        known.update({model.name: model for model in added})
        models = [known[entry.name] for entry in config.models]
        for model, entry in zip(models, config.models, strict=True):
            model.config = entry
        self.registry.hold(models, config.default_model)
        for model in present:
            if model not in models:
                self._retiring[model] = asyncio.create_task(self._retire(model, metrics))
        for model in added:
            metrics.watch(model)
            self._start(model)
        self._log_notices()

    async def _retire(self, model: Model, metrics: Metrics) -> None:
        """End a model that nobody can ask for any more, once its requests have ended."""
        if not _has_failed(model):
            log.info(
                "model %s: will be removed after %d requests in flight", model.name, model.in_flight
            )
        with suppress(TimeoutError):
            await asyncio.wait_for(model.idle(), self._config.server.drain_seconds)
        await model.lifecycle.close()
        metrics.forget(model)
        self._failed.forget(model)
        del self._retiring[model]

    async def close(self) -> None:
        """End every engine; return when they are gone."""
        if self._watch is not None:
            self._watch.cancel()
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


def _has_failed(model: Model) -> bool:
    return model.engine.state.status == "failed"


def log_state(entry: ModelConfig, state: EngineState) -> None:
    """One line for each change of an engine's state."""
    if state.status == "failed":
        log.error("model %s: not available: %s (%s)", entry.name, state.detail, entry.path)
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
