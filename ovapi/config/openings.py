"""Openings: what a new configuration would let in that the running one keeps out.

A file that is cut short, half written or emptied by accident is still valid YAML, so what it no
longer says must not open the server. A reload is refused as a whole if it would

- accept requests without a key, where one is needed now and `auth: none` is not in the file,
- be read from a file whose last line has lost its end: half an address or origin is another one,
- take keys from a `keys_file` whose last line has lost its end: what is left of a key is a key,
- drop or loosen a limit because its line is gone; a limit that the file states is taken,
- serve no model at all, unless the file says `models: none`,
- serve none of the models in `models_dir` because that is gone, empty or cannot be read: as it is
  where a file system is not mounted,
- serve other models because `models_dir` is gone from the file.

Everything else closes when it is left out (`cors_origins`, `allowed_hosts`, `logging.prompts`,
aliases), or is never taken over by a reload (address, TLS, tracing).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import fields
from typing import Any

from ovapi.config.settings import Config, KeyLimits, ModelsDir

SERVER_LIMITS = ("max_body_bytes", "max_connections", "header_timeout", "write_timeout")
REQUEST_LIMITS = ("request_seconds", "body_bytes")
MODEL_LIMITS = ("max_queued", "queue_seconds", "max_tokens_in_flight")
"""The limits that a reload takes over, besides those of keys and `memory_budget`."""


def written(data: Mapping[str, Any]) -> dict[str, Any]:
    """What a file says, by dotted path: ``limits.per_key.concurrent``, ``models.NAME.max_queued``.
    Lists of anything but models count as one value."""
    models = data.get("models", ())
    if isinstance(models, list):
        data = {**data, "models": {model["name"]: model for model in models}}
    return dict(_leaves(data, ""))


def _leaves(value: Any, path: str) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _leaves(inner, f"{path}.{key}" if path else key)
    else:
        yield path, value


def openings(old: Config, new: Config) -> Iterator[str]:
    """What `new` would open, each with what to do; nothing if a server with `old` may take it."""
    if old.complete and not new.complete:
        yield "the file is cut short: end its last line with a newline"
    yield from _of_keys(old, new)
    yield from _of_models(old, new)
    gone = old.written.keys() - new.written.keys()
    for path, before, after in _limits(old, new):
        if path in gone and _looser(before, after):
            yield f"{path} is gone from the file: set it to the value that you want"


def _of_keys(old: Config, new: Config) -> Iterator[str]:
    if old.keys and not new.keys and new.written.get("auth") != "none":
        yield "the API keys are gone from the file: write 'auth: none' to serve without keys"
    if old.keys.complete and not new.keys.complete:
        yield "auth.keys_file is cut short: end its last line with a newline"


def _of_models(old: Config, new: Config) -> Iterator[str]:
    names = [{model.name for model in config.models} for config in (old, new)]
    if old.models and not new.models:
        if new.written.get("models") != "none":
            yield "no model is left: write 'models: none' to serve none"
    elif "models_dir" in old.written and "models_dir" not in new.written and names[0] != names[1]:
        yield "models_dir is gone from the file: set it to the folder that you want"
    elif new.written.get("models") != "none" and _is_gone(old.models_dir, new.models_dir):
        state = "is empty" if new.models_dir.readable else "cannot be read"
        yield f"models_dir {new.models_dir.path} {state}: is its file system mounted?"


def _is_gone(old: ModelsDir, new: ModelsDir) -> bool:
    """Whether the models are lost; another folder that is empty is one that somebody wants."""
    return bool(old.models and not new.models) and (not new.readable or new.path == old.path)


def _limits(old: Config, new: Config) -> Iterator[tuple[str, float | None, float | None]]:
    """The path of each limit, its value so far and its new one."""
    pairs: list[tuple[str, Any, Any, tuple[str, ...]]] = [
        ("server", old.server, new.server, SERVER_LIMITS),
        ("limits", old.limits, new.limits, REQUEST_LIMITS),
        ("limits.per_key", old.limits.per_key, new.limits.per_key, _OF_KEYS),
    ]
    for name in old.limits.keys.keys() & new.keys.names:
        before, after = (_limits_of(config, name) for config in (old, new))
        pairs.append((f"limits.keys.{name}", before, after, _OF_KEYS))
    models = {model.name: model for model in new.models}
    for model in old.models:
        if model.name in models:
            pairs.append((f"models.{model.name}", model, models[model.name], MODEL_LIMITS))
    yield "memory_budget", old.memory_budget, new.memory_budget
    for path, before, after, names in pairs:
        for name in names:
            yield f"{path}.{name}", getattr(before, name), getattr(after, name)


def _limits_of(config: Config, key: str) -> KeyLimits:
    return config.limits.keys.get(key, config.limits.per_key)


def _looser(before: float | None, after: float | None) -> bool:
    return before is not None and (after is None or after > before)


_OF_KEYS = tuple(field.name for field in fields(KeyLimits))
