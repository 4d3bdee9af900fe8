"""Devices and OpenVINO's properties for them."""

from __future__ import annotations

import logging
import tempfile
from pathlib import Path
from typing import Any

from ovapi.engine.base import EngineSpec
from ovapi.engine.failure import LoadError

log = logging.getLogger(__name__)


def check_device(device: str) -> None:
    """Raise LoadError if a device by that name is not in this machine."""
    import openvino

    available: list[str] = openvino.Core().available_devices
    for wanted in _physical(device):
        if not any(name == wanted or name.startswith(wanted + ".") for name in available):
            raise LoadError(
                f"device {wanted} is not available; this machine has: {', '.join(available)}"
            )


def _physical(device: str) -> list[str]:
    """The devices in a name such as ``AUTO:GPU,CPU``; AUTO alone takes what there is."""
    head, _, rest = device.upper().partition(":")
    if head in ("AUTO", "HETERO", "MULTI", "BATCH"):
        return [name.strip(" -") for name in rest.split(",") if name]
    return [head.removesuffix(".0") if head == "GPU.0" else head]


def properties(spec: EngineSpec) -> dict[str, Any]:
    """What is passed to OpenVINO: the configured properties and the compile cache."""
    given = dict(spec.properties)
    if spec.compile_cache is not None and _is_writable(spec.compile_cache):
        given.setdefault("CACHE_DIR", str(spec.compile_cache))
    return given


def _is_writable(folder: Path) -> bool:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return True
    except OSError as error:
        log.warning("the compile cache cannot be written (%s): going on without", error.strerror)
        return False
