"""The configuration of a server, as frozen dataclasses; `ovapi.config.loader` makes them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ovapi.config.engine_options import EngineOptions
from ovapi.config.keyring import Keyring
from ovapi.core import SamplingParams

MODEL_FILE = "openvino_model.xml"
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
    early_headers_seconds: float = 0.0
    base_path: str = ""
    trusted_proxies: tuple[str, ...] = ()
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
class ModelConfig(EngineOptions):
    """One model to serve: how its engine runs, and how requests reach it.

    `keep_alive` None: it stays loaded. `keep_alive_requests` says what a request may change about
    that: `lease`, `obey` or `ignore`. `reasoning_field` is where OpenAI's clients find thought:
    `reasoning_content`, `reasoning` or `both`. An adapter is served as a model of its own: its base
    model with `adapter`, whose name is then in `parent`.
    """

    engine: str = "auto"
    max_queued: int = 128
    queue_seconds: float = 120.0
    max_tokens_in_flight: int | None = None
    performance: str = "auto"
    load: str = "eager"
    load_wait_seconds: float = 60.0
    keep_alive: float | None = None
    keep_alive_requests: str = "lease"
    aliases: tuple[str, ...] = ()
    defaults: SamplingParams = field(default_factory=SamplingParams)
    parent: str | None = None
    reasoning_field: str = "both"


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
class ModelsDir:
    """The folder of models as it was found: how many lie in it, and whether it can be read."""

    path: Path = Path()
    models: int = 0
    readable: bool = True


@dataclass(frozen=True)
class Config:
    """`folder` is that of the file, to which its paths are relative. `written` is what the file
    says, by dotted path, and `complete` whether its last line has its end; `notices` are for the
    log."""

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
    written: Mapping[str, Any] = field(default_factory=dict, compare=False)
    complete: bool = field(default=True, compare=False)
    models_dir: ModelsDir = field(default_factory=ModelsDir, compare=False)
    notices: tuple[str, ...] = field(default=(), compare=False)
