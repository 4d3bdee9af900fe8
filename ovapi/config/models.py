"""The models of a configuration: its entries, and what else lies in the models folder."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ovapi.config.engine_options import AdapterConfig, SpeculationConfig
from ovapi.config.model_folders import find_models, model_folder, no_models
from ovapi.config.settings import ModelConfig, ModelsDir
from ovapi.config.values.durations import duration
from ovapi.config.values.sizes import size_in_bytes
from ovapi.config.yaml_document import ConfigError, YamlDocument
from ovapi.core import SamplingParams, stop_strings

LAZY_KEEP_ALIVE = "5m"
"""How long a model that is loaded on demand stays unused, unless its entry says otherwise."""


@dataclass(frozen=True)
class ConfiguredModels:
    """`notices` are for the log."""

    models: tuple[ModelConfig, ...]
    notices: tuple[str, ...]
    models_dir: ModelsDir


def read_models(document: YamlDocument, base: Path, defaults: SamplingParams) -> ConfiguredModels:
    """The entries of `models` in their order, each before its adapters, then what else lies in
    `models_dir`, by name; and notices of what there cannot be served."""
    models_dir = base / document.data.get("models_dir", "models")
    entries = document.data.get("models", [])
    if entries == "none":
        return ConfiguredModels((), (), ModelsDir(models_dir))
    for number, entry in enumerate(entries):
        if "prompt_lookup" in entry and "draft" in entry:
            place = ("models", number, "draft")
            raise ConfigError(document.error(place, "cannot be combined with 'prompt_lookup'"))
    named = [
        model for entry in entries for model in _with_adapters(entry, models_dir, base, defaults)
    ]
    own = [model for model in named if model.adapter is None]
    known = {model.path for model in own} | {models_dir / model.name for model in own}
    found = find_models(models_dir, named="models_dir" in document.data)
    notices = found.notices
    models = named + [
        ModelConfig(folder.name, folder, defaults=defaults)
        for folder in found.folders
        if folder not in known
    ]
    if not models:
        notices += (no_models(models_dir),)
    _check_names(document, models)
    return ConfiguredModels(tuple(models), notices, found.models_dir)


def _with_adapters(
    entry: Mapping[str, Any], models_dir: Path, base: Path, defaults: SamplingParams
) -> list[ModelConfig]:
    """The model of an entry, then one for each of its adapters."""
    given = dict(entry)
    adapters = given.pop("adapters", ())
    model = _model(given, models_dir, base, defaults)
    return [model, *(_adapter(model, adapter, base) for adapter in adapters)]


def _adapter(model: ModelConfig, given: Mapping[str, Any], base: Path) -> ModelConfig:
    """The model once more, with the adapter and under its name."""
    adapter = AdapterConfig(base / given["path"], given.get("alpha", 1.0))
    return replace(model, name=given["name"], aliases=(), parent=model.name, adapter=adapter)


def _model(
    entry: Mapping[str, Any], models_dir: Path, base: Path, defaults: SamplingParams
) -> ModelConfig:
    given = dict(entry)
    path = given.pop("path", None)
    cache = given.pop("cache", {})
    lazy = given.get("load") == "lazy"
    return ModelConfig(
        path=base / path if path is not None else model_folder(models_dir, given["name"]),
        cache_bytes=size_in_bytes(cache["size"]) if "size" in cache else None,
        keep_alive=duration(given.pop("keep_alive", LAZY_KEEP_ALIVE if lazy else "never")),
        aliases=tuple(given.pop("aliases", ())),
        speculation=_speculation(given, base),
        defaults=sampling_defaults(defaults, given.pop("defaults", {})),
        **given,
    )


def _speculation(entry: dict[str, Any], base: Path) -> SpeculationConfig | None:
    """Takes `prompt_lookup` or `draft` out of a model's entry."""
    lookup, draft = entry.pop("prompt_lookup", None), entry.pop("draft", None)
    if lookup is not None:
        return SpeculationConfig(**lookup)
    if draft is None:
        return None
    given = dict(draft)
    return SpeculationConfig(draft=base / given.pop("path"), **given)


def _check_names(document: YamlDocument, models: Sequence[ModelConfig]) -> None:
    """Names and aliases share one space: each may stand for one model only."""
    seen: set[str] = set()
    problems = []
    for place, model in zip(_places(models), models, strict=True):
        for name in (model.name, *model.aliases):
            if name in seen:
                problems.append(document.error(place, f"'{name}' is already in use"))
            seen.add(name)
    if problems:
        raise ConfigError("\n".join(problems))


def _places(models: Sequence[ModelConfig]) -> Iterator[tuple[str | int, ...]]:
    """Where in the file each model stands, or would stand."""
    entry, adapter = -1, 0
    for model in models:
        if model.adapter is None:
            entry, adapter = entry + 1, 0
            yield "models", entry
        else:
            yield "models", entry, "adapters", adapter
            adapter += 1


def default_model(document: YamlDocument, models: Sequence[ModelConfig]) -> str | None:
    wanted: str | None = document.data.get("default_model")
    if wanted is None:
        return models[0].name if models else None
    names = {name for model in models for name in (model.name, *model.aliases)}
    if wanted not in names:
        known = ", ".join(sorted(names)) or "none"
        message = f"unknown model '{wanted}'; known models: {known}"
        raise ConfigError(document.error(("default_model",), message))
    return wanted


def sampling_defaults(base: SamplingParams, given: Mapping[str, Any]) -> SamplingParams:
    """Defaults from the file; lists become tuples, a single stop string a tuple of one."""
    values = dict(given)
    stop = values.pop("stop", None)
    if stop is not None:
        values["stop"] = stop_strings(stop)
    return replace(base, **values)
