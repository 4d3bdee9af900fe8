"""Reload: which parts of a new configuration a running server can take over, and which it cannot.

The keys, the log level, the limits of requests and what a model is called can change at any time,
and models can come and go. The port, the connections' limits and how an engine is made cannot
change: they need a restart, across which a socket that systemd holds keeps every connection.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, fields, replace
from typing import Any

from ovapi.config.openings import openings
from ovapi.config.settings import Config, ModelConfig

SERVER = {
    "drain_seconds",
    "keepalive_seconds",
    "max_body_bytes",
    "max_connections",
    "header_timeout",
    "write_timeout",
    "cors_origins",
    "allowed_hosts",
    "early_headers_seconds",
    "base_path",
    "trusted_proxies",
}
LOGGING = {"level", "prompts"}
MODEL = {
    "max_queued", "queue_seconds", "max_tokens_in_flight", "aliases", "defaults",
    "load", "load_wait_seconds", "keep_alive", "keep_alive_requests", "reasoning_field",
}  # fmt: skip
"""The fields that can change; every other one needs a restart."""
KEYS = {"cache_bytes": "cache.size", "adapter": "adapters", "parent": "adapters"}
"""The keys of a model's fields that are called otherwise in the file."""


@dataclass(frozen=True)
class Reload:
    """`config` is what to go on with; `left` names what else is new, and waits for a restart.

    `opened` is what `config` would open without being told to: see `ovapi.config.openings`. With
    any of that, it must not be taken.
    """

    config: Config
    left: tuple[str, ...]
    opened: tuple[str, ...] = ()


def merge(old: Config, new: Config, failed: Collection[str] = ()) -> Reload:
    """`new` as far as a server that runs with `old` can take it over.

    Models that have `failed` have no engine yet: they take everything.
    """
    before = {model.name: model for model in old.models if model.name not in failed}
    models = tuple(_taken(before.get(model.name, model), model, MODEL) for model in new.models)
    config = replace(
        old,
        keys=new.keys,
        limits=new.limits,
        logging=_taken(old.logging, new.logging, LOGGING),
        server=_taken(old.server, new.server, SERVER),
        models=models,
        default_model=new.default_model,
        memory_budget=new.memory_budget,
        written=new.written,
        complete=new.complete,
        models_dir=new.models_dir,
        notices=new.notices,
    )
    return Reload(config, tuple(_left(config, new)), tuple(openings(old, new)))


def _taken(old: Any, new: Any, names: set[str]) -> Any:
    """`old` with the fields `names` of `new`."""
    return replace(old, **{name: getattr(new, name) for name in names})


def _left(config: Config, new: Config) -> Iterator[str]:
    """What of `new` is not in `config`, by its YAML path."""
    yield from _differences("server", config.server, new.server)
    yield from _differences("logging", config.logging, new.logging)
    if config.compile_cache != new.compile_cache:
        yield "compile_cache"
    if config.tracing != new.tracing:
        yield "tracing"
    for taken, model in zip(config.models, new.models, strict=True):
        for path in _differences(f"models: {model.name}", taken, model):
            yield _as_written(path, taken, model)


def _as_written(path: str, old: ModelConfig, new: ModelConfig) -> str:
    """The path with the key of the file, where that is not called as the field is."""
    model, field = path.rsplit(".", 1)
    if field == "speculation":
        speculation = new.speculation or old.speculation
        key = "draft" if speculation is not None and speculation.draft else "prompt_lookup"
    else:
        key = KEYS.get(field, field)
    return f"{model}.{key}"


def _differences(path: str, old: Any, new: Any) -> Iterator[str]:
    for field in fields(old):
        if getattr(old, field.name) != getattr(new, field.name):
            yield f"{path}.{field.name}"
