"""Configuration: a YAML file, checked against schemas/config.json, as frozen dataclasses.

Paths in a file are relative to the file's folder. Every error names the YAML path and the line,
and all errors of a file are reported together. Besides the command line this is the only module
that decides what a server does; nothing else reads the environment.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import yaml

from ovapi.core import SamplingParams
from ovapi.schema import Schemas

MODEL_FILE = "openvino_model.xml"


class ConfigError(Exception):
    """What is wrong with a configuration, one line an error: ``path (line n): message``."""


@dataclass(frozen=True)
class ServerConfig:
    """Where to listen, and how patient to be; times in seconds, sizes in bytes."""

    host: str = "127.0.0.1"
    port: int = 8000
    drain_seconds: float = 30.0
    keepalive_seconds: float = 15.0
    max_body_bytes: int = 16 * 1024 * 1024
    max_header_bytes: int = 64 * 1024
    body_timeout: float = 60.0
    idle_timeout: float = 300.0


@dataclass(frozen=True)
class LoggingConfig:
    level: str = "INFO"


@dataclass(frozen=True)
class ModelConfig:
    """One model to serve; see `ovapi.engine.base.EngineSpec` for what the engine makes of it."""

    name: str
    path: Path
    device: str = "CPU"
    engine: str = "auto"
    context: int | None = None
    cache_bytes: int | None = None
    max_running: int = 32
    max_queued: int = 128
    max_batched_tokens: int = 256
    properties: Mapping[str, Any] = field(default_factory=dict)
    aliases: tuple[str, ...] = ()
    defaults: SamplingParams = field(default_factory=SamplingParams)


@dataclass(frozen=True)
class Config:
    server: ServerConfig
    logging: LoggingConfig
    models: tuple[ModelConfig, ...]
    default_model: str | None
    compile_cache: Path | None


def load(path: Path | None, host: str | None = None, port: int | None = None) -> Config:
    """Read and check a configuration; None reads the one that ships with the package.

    `host` and `port` come from the command line and win over the file. Raises ConfigError.
    """
    source = path if path is not None else Path(__file__).with_name("config.yaml")
    base = source.parent if path is not None else Path.cwd()
    document = _Document.read(source)
    document.check()
    config = _build(document, base.resolve())
    given: dict[str, Any] = {"host": host, "port": port}
    server = replace(config.server, **{k: v for k, v in given.items() if v is not None})
    return replace(config, server=server)


@dataclass(frozen=True)
class _Document:
    """A parsed file: the plain data, and the line of each YAML path."""

    name: str
    data: dict[str, Any]
    lines: Mapping[tuple[str | int, ...], int]

    @classmethod
    def read(cls, source: Path) -> _Document:
        try:
            text = source.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"{source}: cannot be read: {error}") from None
        try:
            node = yaml.compose(text, Loader=yaml.SafeLoader)
            data = yaml.safe_load(text)
        except yaml.YAMLError as error:
            raise ConfigError(f"{source}: not valid YAML: {error}") from None
        lines: dict[tuple[str | int, ...], int] = {(): 1}
        repeated = list(_walk(node, (), lines)) if node is not None else []
        if repeated:
            raise ConfigError("\n".join(f"{source}: {line}" for line in repeated))
        return cls(str(source), {} if data is None else data, lines)

    def check(self) -> None:
        """Raise ConfigError with every violation of schemas/config.json."""
        found = Schemas().errors("config", self.data)
        if found:
            raise ConfigError("\n".join(self.error(path, message) for path, message in found))

    def error(self, path: tuple[str | int, ...], message: str) -> str:
        return f"{self.name}: {_dotted(path)} (line {self._line(path)}): {message}"

    def _line(self, path: tuple[str | int, ...]) -> int:
        """The line of the path, or of its nearest parent that is in the file."""
        while path not in self.lines:
            path = path[:-1]
        return self.lines[path]


def _walk(
    node: yaml.Node, path: tuple[str | int, ...], lines: dict[tuple[str | int, ...], int]
) -> Iterator[str]:
    """Note the line of every path below `node`; yield a message for each repeated key."""
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            inner = (*path, key.value)
            if inner in lines:
                yield f"{_dotted(inner)} (line {key.start_mark.line + 1}): given twice"
            lines[inner] = key.start_mark.line + 1
            yield from _walk(value, inner, lines)
    elif isinstance(node, yaml.SequenceNode):
        for index, value in enumerate(node.value):
            inner = (*path, index)
            lines[inner] = value.start_mark.line + 1
            yield from _walk(value, inner, lines)


def _dotted(path: tuple[str | int, ...]) -> str:
    """``models[0].path`` for ("models", 0, "path"); ``the file`` for the root."""
    text = "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in path)
    return text.lstrip(".") or "the file"


def _build(document: _Document, base: Path) -> Config:
    data = document.data
    defaults = _sampling(SamplingParams(), data.get("defaults", {}))
    models = _models(document, base, defaults)
    compile_cache = data.get("compile_cache")
    return Config(
        server=ServerConfig(**data.get("server", {})),
        logging=LoggingConfig(**data.get("logging", {})),
        models=models,
        default_model=_default_model(document, models),
        compile_cache=base / compile_cache if compile_cache else None,
    )


def _models(document: _Document, base: Path, defaults: SamplingParams) -> tuple[ModelConfig, ...]:
    """The entries of `models` in their order, then what else lies in `models_dir`, by name."""
    models_dir = base / document.data.get("models_dir", "models")
    entries = document.data.get("models", [])
    named = [_model(entry, models_dir, base, defaults) for entry in entries]
    known = {model.path for model in named} | {models_dir / model.name for model in named}
    found = sorted(file.parent for file in models_dir.glob(f"*/{MODEL_FILE}"))
    models = named + [
        ModelConfig(folder.name, folder, defaults=defaults)
        for folder in found
        if folder not in known
    ]
    _check_names(document, models)
    return tuple(models)


def _model(
    entry: Mapping[str, Any], models_dir: Path, base: Path, defaults: SamplingParams
) -> ModelConfig:
    given = dict(entry)
    path = given.pop("path", None)
    cache = given.pop("cache", {})
    return ModelConfig(
        path=base / path if path is not None else models_dir / given["name"],
        cache_bytes=_bytes(cache["size"]) if "size" in cache else None,
        aliases=tuple(given.pop("aliases", ())),
        defaults=_sampling(defaults, given.pop("defaults", {})),
        **given,
    )


def _check_names(document: _Document, models: Sequence[ModelConfig]) -> None:
    """Names and aliases share one space: each may stand for one model only."""
    seen: set[str] = set()
    problems = []
    for index, model in enumerate(models):
        for name in (model.name, *model.aliases):
            if name in seen:
                problems.append(document.error(("models", index), f"'{name}' is taken already"))
            seen.add(name)
    if problems:
        raise ConfigError("\n".join(problems))


def _default_model(document: _Document, models: Sequence[ModelConfig]) -> str | None:
    wanted: str | None = document.data.get("default_model")
    if wanted is None:
        return models[0].name if models else None
    names = {name for model in models for name in (model.name, *model.aliases)}
    if wanted not in names:
        known = ", ".join(sorted(names)) or "none"
        message = f"there is no model '{wanted}'; there are: {known}"
        raise ConfigError(document.error(("default_model",), message))
    return wanted


def _sampling(base: SamplingParams, given: Mapping[str, Any]) -> SamplingParams:
    """Defaults from the file; lists become tuples, a single stop string a tuple of one."""
    values = dict(given)
    stop = values.pop("stop", None)
    if stop is not None:
        values["stop"] = (stop,) if isinstance(stop, str) else tuple(stop)
    return replace(base, **values)


_UNITS = {"KB": 10**3, "MB": 10**6, "GB": 10**9, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30}


def _bytes(size: int | str) -> int:
    """``"512MB"`` → 512,000,000; a plain number is bytes. The schema has checked the form."""
    if isinstance(size, int):
        return size
    digits = size.rstrip("KMGiB ")
    return int(digits) * _UNITS[size[len(digits) :].strip()]
