"""Reads the configuration: a YAML file, checked against schemas/config.json.

Paths in a file are relative to the file's folder. Every error names the YAML path and the line,
and all errors of a file are reported together. Besides the command line this package alone decides
what a server does; nothing else reads the environment.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from importlib.util import find_spec
from ipaddress import ip_network
from pathlib import Path
from typing import Any

from ovapi.config.keyring import Keyring
from ovapi.config.keys import read_keys
from ovapi.config.models import default_model, read_models, sampling_defaults
from ovapi.config.openings import written
from ovapi.config.settings import (
    Config,
    KeyLimits,
    LimitsConfig,
    LoggingConfig,
    ServerConfig,
    SystemdConfig,
    TlsConfig,
    TracingConfig,
)
from ovapi.config.values.host import problem_of_host
from ovapi.config.values.sizes import size_in_bytes
from ovapi.config.values.tls import TlsError, server_context
from ovapi.config.yaml_document import ConfigError, YamlDocument
from ovapi.core import SamplingParams

MIN_PREFIX = {4: 8, 6: 16}
"""By IP version: a shorter prefix is no network of proxies, but one cut short."""
OPENTELEMETRY = ("opentelemetry.sdk", "opentelemetry.exporter.otlp.proto.http")


def load(path: Path | None, host: str | None = None, port: int | None = None) -> Config:
    """Read and check a configuration; None reads the one that ships with the package.

    `host` and `port` come from the command line and win over the file. Raises ConfigError.
    """
    source = path if path is not None else Path(__file__).resolve().parents[1] / "config.yaml"
    base = source.parent if path is not None else Path.cwd()
    document = YamlDocument.read(source)
    if path is None:
        document.data.pop("models_dir", None)  # the default, which nobody has asked for
    document.check()
    _check_hosts(document, host)
    config = _build(document, base.resolve())
    given: dict[str, Any] = {"host": host, "port": port}
    server = replace(config.server, **{k: v for k, v in given.items() if v is not None})
    return replace(config, server=server)


def _check_hosts(document: YamlDocument, given: str | None) -> None:
    """`given` is that of the command line."""
    own = document.data.get("server", {}).get("host")
    if own is not None and (problem := problem_of_host(own)):
        raise ConfigError(document.error(("server", "host"), problem))
    if given is not None and (problem := problem_of_host(given)):
        raise ConfigError(f"--host: {problem}")


def _build(document: YamlDocument, base: Path) -> Config:
    data = document.data
    defaults = sampling_defaults(SamplingParams(), data.get("defaults", {}))
    found = read_models(document, base, defaults)
    models = found.models
    compile_cache = data.get("compile_cache")
    keys = read_keys(document, base)
    _check_proxies(document)
    return Config(
        server=_server(document, base),
        logging=LoggingConfig(**data.get("logging", {})),
        models=models,
        default_model=default_model(document, models),
        compile_cache=base / compile_cache if compile_cache else None,
        folder=base,
        memory_budget=size_in_bytes(data["memory_budget"]) if "memory_budget" in data else None,
        keys=keys,
        limits=_limits(document, keys),
        systemd=_systemd(os.environ),
        tracing=_tracing(document),
        written=written(data),
        complete=document.complete,
        models_dir=found.models_dir,
        notices=found.notices,
    )


def _server(document: YamlDocument, base: Path) -> ServerConfig:
    values = dict(document.data.get("server", {}))
    values.pop("tls", None)
    return ServerConfig(
        cors_origins=tuple(values.pop("cors_origins", ())),
        allowed_hosts=tuple(values.pop("allowed_hosts", ())),
        trusted_proxies=tuple(values.pop("trusted_proxies", ())),
        tls=_tls(document, base),
        **values,
    )


def _tls(document: YamlDocument, base: Path) -> TlsConfig | None:
    given = document.data.get("server", {}).get("tls")
    if given is None:
        return None
    tls = TlsConfig(base / given["certificate"], base / given["key"])
    try:
        server_context(tls)
    except TlsError as error:
        raise ConfigError(document.error(("server", "tls", error.key), str(error))) from None
    return tls


def _check_proxies(document: YamlDocument) -> None:
    for index, network in enumerate(document.data.get("server", {}).get("trusted_proxies", ())):
        if problem := _problem_of_proxies(network):
            raise ConfigError(document.error(("server", "trusted_proxies", index), problem))


def _problem_of_proxies(text: str) -> str | None:
    try:
        network = ip_network(text, strict=False)
    except ValueError:
        return "is not an address or network"
    least = MIN_PREFIX[network.version]
    if network.prefixlen < least:
        return f"is too wide: name the proxies, or a network of /{least} or narrower"
    return None


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
        sockets=_number(environment, "LISTEN_FDS") if passed else 0,
        watchdog_seconds=_number(environment, "WATCHDOG_USEC") / 1e6 if watchdog else None,
    )


def _number(environment: Mapping[str, str], name: str) -> int:
    text = environment.get(name, "0")
    if not (text.isascii() and text.isdecimal() and len(text) < 20):
        raise ConfigError(f"the environment variable {name} is not a number: {text!r}")
    return int(text)


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
