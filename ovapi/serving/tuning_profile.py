"""Profile: the properties that `tune` has found for a model, a device and an engine's version.

Each lies in a file of its own, for a model and an objective. A model that is served with
`performance` takes the properties of a profile that fits; its own `properties` win over them.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

from ovapi.config.settings import MODEL_FILE, Config, ModelConfig

OBJECTIVES = ("latency", "throughput", "prefill", "balanced")


@dataclass(frozen=True, slots=True)
class Profile:
    """`fits` says what it was made for; `figures` what was measured, for people.

    `max_batched_tokens` None leaves the default.
    """

    objective: str
    made: str
    fits: Mapping[str, str]
    properties: Mapping[str, Any] = field(default_factory=dict)
    max_batched_tokens: int | None = None
    figures: Mapping[str, Any] = field(default_factory=dict)

    def write(self, file: Path) -> None:
        """Whole or not at all."""
        file.parent.mkdir(parents=True, exist_ok=True)
        part = file.with_suffix(".part")
        part.write_text(json.dumps(asdict(self), indent=2) + "\n", encoding="utf-8")
        part.replace(file)

    @classmethod
    def read(cls, file: Path) -> Profile:
        """Raises OSError, or ValueError if it is not one."""
        data = json.loads(file.read_text(encoding="utf-8"))
        try:
            return cls(**data)
        except TypeError as error:
            raise ValueError(str(error)) from None

    def apply(self, entry: ModelConfig) -> ModelConfig:
        """The model with these properties; what its own entry sets stays."""
        return replace(
            entry,
            properties={**self.properties, **entry.properties},
            max_batched_tokens=entry.max_batched_tokens or self.max_batched_tokens,
        )

    def __str__(self) -> str:
        settings = dict(self.properties)
        if self.max_batched_tokens is not None:
            settings["max_batched_tokens"] = self.max_batched_tokens
        shown = ", ".join(f"{name}={value}" for name, value in settings.items())
        return f"{self.objective} of {self.made} ({shown or 'the defaults are best'})"


@dataclass(frozen=True, slots=True)
class ProfileSelection:
    """The profile that is in force, if one is, and what was found and cannot be used, and why."""

    profile: Profile | None = None
    ignored: tuple[str, ...] = ()


def folder(config: Config) -> Path:
    """Where profiles lie: in the compile cache if there is one, else beside the configuration."""
    return (config.compile_cache or config.folder) / "profiles"


def file_of(config: Config, entry: ModelConfig, objective: str) -> Path:
    """An adapter shares the profiles of its base model."""
    return folder(config) / f"{quote(entry.parent or entry.name, safe='')}.{objective}.json"


def choose(config: Config, entry: ModelConfig) -> ProfileSelection:
    """As the model's `performance` says: the last one made that fits, or that of an objective."""
    if entry.performance == "off" or entry.engine == "simple":
        return ProfileSelection()
    wanted = OBJECTIVES if entry.performance == "auto" else (entry.performance,)
    files = [file_of(config, entry, objective) for objective in wanted]
    found, ignored = [], []
    for file in files:
        try:
            profile = Profile.read(file)
        except FileNotFoundError:
            continue
        except (OSError, ValueError):
            ignored.append(f"{file.name} cannot be read")
            continue
        if stale := ", ".join(_differences(profile.fits, identity(entry))):
            ignored.append(f"the {profile.objective} profile is for another {stale}")
        else:
            found.append(profile)
    return ProfileSelection(max(found, key=lambda one: one.made, default=None), tuple(ignored))


def _differences(old: Mapping[str, str], new: Mapping[str, str]) -> Iterator[str]:
    return (name for name, value in new.items() if old.get(name) != value)


def identity(entry: ModelConfig) -> dict[str, str]:
    """What a profile depends on: the model's files, the device, the machine, the engine."""
    from importlib.metadata import version  # takes its time, and most servers have no profile

    return {
        "model": _model(entry.path),
        "device": entry.device,
        "machine": _machine(),
        "engine version": version("openvino-genai"),
    }


def _model(path: Path) -> str:
    """The network and its kind of weights, which tell in its size; a copy is the same model."""
    try:
        network = (path / MODEL_FILE).read_bytes()
        size = (path / MODEL_FILE).with_suffix(".bin").stat().st_size
    except OSError:
        return "missing"
    return f"{hashlib.sha256(network).hexdigest()[:16]}-{size}"


def _machine() -> str:
    """The processor, as many of its threads as this process may use, and the graphics devices."""
    cards = sorted(
        (card / "device" / "device").read_text().strip()
        for card in Path("/sys/class/drm").glob("card[0-9]")
        if (card / "device" / "device").is_file()
    )
    return ", ".join([_processor(), f"{len(os.sched_getaffinity(0))} threads", *cards])


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return "unknown"
    return next((line.partition(":")[2].strip() for line in lines if "model name" in line), "?")
