"""Configuration: a YAML file, checked against schemas/config.json, as frozen dataclasses.

Paths in a file are relative to the file's folder. Every error names the YAML path and the line,
and all errors of a file are reported together. Besides the command line this is the only module
that decides what a server does; nothing else reads the environment.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from ovapi.config.durations import duration
from ovapi.config.keyring import Keyring
from ovapi.config.yaml_document import ConfigError, YamlDocument
from ovapi.core import SamplingParams

MODEL_FILE = "openvino_model.xml"
LAZY_STAY = "5m"
"""How long a model that is loaded when needed stays unused, unless its entry says otherwise."""
CREDENTIAL = "ovapi-keys"
"""The name of the systemd credential that holds keys, one a line."""
OPENTELEMETRY = ("opentelemetry.sdk", "opentelemetry.exporter.otlp.proto.http")
FIRST_SOCKET = 3
"""The file descriptor of the first socket that systemd passes."""


@dataclass(frozen=True)
class TlsConfig:
    """PEM files: the certificate with its chain, and its key."""

    certificate: Path
    key: Path


@dataclass(frozen=True)
class ServerConfig:
    """Where to listen, and how patient to be; times in seconds, sizes in bytes."""

    host: str = "127.0.0.1"
    port: int = 8000
    drain_seconds: float = 30.0
    keepalive_seconds: float = 15.0
    max_body_bytes: int = 16 * 1024 * 1024
    max_header_bytes: int = 64 * 1024
    max_connections: int = 2048
    header_timeout: float = 20.0
    body_timeout: float = 60.0
    write_timeout: float = 60.0
    idle_timeout: float = 300.0
    cors_origins: tuple[str, ...] = ()
    allowed_hosts: tuple[str, ...] = ()
    tls: TlsConfig | None = None


@dataclass(frozen=True)
class KeyLimits:
    """What one key may do; None does not limit it."""

    concurrent: int | None = None
    requests_per_minute: int | None = None


@dataclass(frozen=True)
class LimitsConfig:
    """`keys` are those whose limits differ from `per_key`, by their names.

    A generation ends `request_seconds` after its headers have come, with what it has. `body_bytes`
    are those of all requests in hand together.
    """

    per_key: KeyLimits = field(default_factory=KeyLimits)
    keys: Mapping[str, KeyLimits] = field(default_factory=dict)
    request_seconds: float = 3600.0
    body_bytes: int = 64 * 1024 * 1024

    def of(self, name: str) -> KeyLimits:
        """The limits of a key; "" is everybody, where there are no keys."""
        return self.keys.get(name, self.per_key)


@dataclass(frozen=True)
class LoggingConfig:
    """`prompts`: whether what is asked and answered is logged too."""

    level: str = "INFO"
    format: str = "auto"
    prompts: bool = False


@dataclass(frozen=True)
class TracingConfig:
    """Where OpenTelemetry's spans go, by OTLP over HTTP, and the share of the traces to take."""

    endpoint: str
    sample: float = 1.0


@dataclass(frozen=True)
class AdapterConfig:
    """A LoRA adapter: its safetensors file, or the folder of it, and how strongly it acts."""

    path: Path
    alpha: float = 1.0


@dataclass(frozen=True)
class SpeculationConfig:
    """Tokens guessed ahead, by prompt lookup or by the model in the folder `draft`."""

    tokens: int = 5
    ngram: int = 3
    draft: Path | None = None
    device: str = "CPU"
    properties: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class ModelConfig:
    """One model to serve; see `ovapi.engine.base.EngineSpec` for what the engine makes of it.

    `keep_alive` None: it stays loaded. `max_batched_tokens` None: the profile's, else the engine's
    default. An adapter is served as a model of its own: its base model with `adapter`, whose name
    is then in `parent`.
    """

    name: str
    path: Path
    device: str = "CPU"
    engine: str = "auto"
    context: int | None = None
    cache_bytes: int | None = None
    max_running: int = 32
    max_queued: int = 128
    queue_seconds: float = 120.0
    max_tokens_in_flight: int | None = None
    max_batched_tokens: int | None = None
    max_slowdown: float = 2.5
    performance: str = "auto"
    stall_seconds: float = 60.0
    load_seconds: float = 600.0
    load: str = "eager"
    load_wait_seconds: float = 60.0
    keep_alive: float | None = None
    properties: Mapping[str, Any] = field(default_factory=dict)
    aliases: tuple[str, ...] = ()
    defaults: SamplingParams = field(default_factory=SamplingParams)
    parent: str | None = None
    adapter: AdapterConfig | None = None
    speculation: SpeculationConfig | None = None


@dataclass(frozen=True)
class SystemdConfig:
    """What systemd says to the services that it starts; without it, nothing.

    `sockets` is how many listening sockets it passes, from FIRST_SOCKET on; `watchdog_seconds`
    how long it waits for a sign of life.
    """

    notify: str | None = None
    sockets: int = 0
    watchdog_seconds: float | None = None


@dataclass(frozen=True)
class Config:
    """`folder` is that of the file, to which its paths are relative."""

    server: ServerConfig
    logging: LoggingConfig
    models: tuple[ModelConfig, ...]
    default_model: str | None
    compile_cache: Path | None
    folder: Path = Path()
    keys: Keyring = field(default_factory=Keyring)
    limits: LimitsConfig = field(default_factory=LimitsConfig)
    systemd: SystemdConfig = field(default_factory=SystemdConfig)
    tracing: TracingConfig | None = None
    memory_budget: int | None = None


def load(path: Path | None, host: str | None = None, port: int | None = None) -> Config:
    """Read and check a configuration; None reads the one that ships with the package.

    `host` and `port` come from the command line and win over the file. Raises ConfigError.
    """
    source = path if path is not None else Path(__file__).resolve().parents[1] / "config.yaml"
    base = source.parent if path is not None else Path.cwd()
    document = YamlDocument.read(source)
    document.check()
    config = _build(document, base.resolve())
    given: dict[str, Any] = {"host": host, "port": port}
    server = replace(config.server, **{k: v for k, v in given.items() if v is not None})
    return replace(config, server=server)


def _build(document: YamlDocument, base: Path) -> Config:
    data = document.data
    defaults = _sampling(SamplingParams(), data.get("defaults", {}))
    models = _models(document, base, defaults)
    compile_cache = data.get("compile_cache")
    keys = _keys(document, base)
    return Config(
        server=_server(data.get("server", {}), base),
        logging=LoggingConfig(**data.get("logging", {})),
        models=models,
        default_model=_default_model(document, models),
        compile_cache=base / compile_cache if compile_cache else None,
        folder=base,
        memory_budget=_bytes(data["memory_budget"]) if "memory_budget" in data else None,
        keys=keys,
        limits=_limits(document, keys),
        systemd=_systemd(os.environ),
        tracing=_tracing(document),
    )


def _server(given: Mapping[str, Any], base: Path) -> ServerConfig:
    values = dict(given)
    tls = values.pop("tls", None)
    return ServerConfig(
        cors_origins=tuple(values.pop("cors_origins", ())),
        allowed_hosts=tuple(values.pop("allowed_hosts", ())),
        tls=TlsConfig(base / tls["certificate"], base / tls["key"]) if tls else None,
        **values,
    )


def _limits(document: YamlDocument, keyring: Keyring) -> LimitsConfig:
    values = dict(document.data.get("limits", {}))
    per_key = KeyLimits(**values.pop("per_key", {}))
    keys = {name: replace(per_key, **own) for name, own in values.pop("keys", {}).items()}
    unknown = [name for name in keys if name not in keyring.names]
    if unknown:
        places = [
            document.error(("limits", "keys", name), "is not the name of a key") for name in unknown
        ]
        raise ConfigError("\n".join(places))
    return LimitsConfig(per_key=per_key, keys=keys, **values)


def _systemd(environment: Mapping[str, str]) -> SystemdConfig:
    """See sd_notify(3), sd_listen_fds(3) and sd_watchdog_enabled(3): some of it is for others."""
    me = str(os.getpid())
    watchdog = environment.get("WATCHDOG_USEC")
    if environment.get("WATCHDOG_PID", me) != me:
        watchdog = None
    passed = environment.get("LISTEN_PID") == me
    return SystemdConfig(
        notify=environment.get("NOTIFY_SOCKET"),
        sockets=int(environment.get("LISTEN_FDS", "0")) if passed else 0,
        watchdog_seconds=int(watchdog) / 1e6 if watchdog else None,
    )


def _tracing(document: YamlDocument) -> TracingConfig | None:
    if "tracing" not in document.data:
        return None
    if not _has_opentelemetry():
        problem = "needs OpenTelemetry, which is not installed: pip install 'ovapi[otel]'"
        raise ConfigError(document.error(("tracing",), problem))
    return TracingConfig(**document.data["tracing"])


def _has_opentelemetry() -> bool:
    """Whether the packages of the extra `otel` are there; this imports none of them."""
    try:
        return all(map(find_spec, OPENTELEMETRY))
    except ModuleNotFoundError:
        return False


def _keys(document: YamlDocument, base: Path) -> Keyring:
    """The keys of auth.keys_file, of the variable auth.keys_env and of systemd's credential."""
    auth = document.data.get("auth", {})
    keys = Keyring()
    if "keys_file" in auth:
        keys += _keys_of_file(document, base / auth["keys_file"])
    if "keys_env" in auth:
        keys += _keys_of_text(
            document, os.environ.get(auth["keys_env"], "").replace(",", "\n"), "keys_env"
        )
    credential = Path(os.environ.get("CREDENTIALS_DIRECTORY", "/nonexistent"), CREDENTIAL)
    if credential.is_file():
        keys += _keys_of_text(document, credential.read_text(encoding="utf-8"), "credential")
    if auth and not keys:
        # Whoever asks for keys must not get an open server because a file is empty.
        raise ConfigError(document.error(("auth",), "contains no key"))
    return keys


def _keys_of_file(document: YamlDocument, file: Path) -> Keyring:
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            document.error(("auth", "keys_file"), f"cannot be read: {error}")
        ) from None
    return _keys_of_text(document, text, "keys_file")


def _keys_of_text(document: YamlDocument, text: str, source: str) -> Keyring:
    try:
        return Keyring.parse(text, source)
    except ValueError as error:
        raise ConfigError(document.error(("auth", source), str(error))) from None


def _models(
    document: YamlDocument, base: Path, defaults: SamplingParams
) -> tuple[ModelConfig, ...]:
    """The entries of `models` in their order, each before its adapters, then what else lies in
    `models_dir`, by name."""
    models_dir = base / document.data.get("models_dir", "models")
    entries = document.data.get("models", [])
    for number, entry in enumerate(entries):
        if "prompt_lookup" in entry and "draft" in entry:
            place = ("models", number, "draft")
            raise ConfigError(document.error(place, "cannot be combined with 'prompt_lookup'"))
    named = [
        model for entry in entries for model in _with_adapters(entry, models_dir, base, defaults)
    ]
    own = [model for model in named if model.adapter is None]
    known = {model.path for model in own} | {models_dir / model.name for model in own}
    found = sorted(file.parent for file in models_dir.glob(f"*/{MODEL_FILE}"))
    models = named + [
        ModelConfig(folder.name, folder, defaults=defaults)
        for folder in found
        if folder not in known
    ]
    _check_names(document, models)
    return tuple(models)


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
        path=base / path if path is not None else models_dir / given["name"],
        cache_bytes=_bytes(cache["size"]) if "size" in cache else None,
        keep_alive=duration(given.pop("keep_alive", LAZY_STAY if lazy else "never")),
        aliases=tuple(given.pop("aliases", ())),
        speculation=_speculation(given, base),
        defaults=_sampling(defaults, given.pop("defaults", {})),
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


def _default_model(document: YamlDocument, models: Sequence[ModelConfig]) -> str | None:
    wanted: str | None = document.data.get("default_model")
    if wanted is None:
        return models[0].name if models else None
    names = {name for model in models for name in (model.name, *model.aliases)}
    if wanted not in names:
        known = ", ".join(sorted(names)) or "none"
        message = f"unknown model '{wanted}'; known models: {known}"
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
