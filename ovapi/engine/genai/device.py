"""Devices and OpenVINO's properties for them."""

from __future__ import annotations

import logging
import os
import tempfile
from pathlib import Path
from typing import Any

from ovapi.engine.base import EngineSpec
from ovapi.engine.load_error import LoadError

log = logging.getLogger(__name__)

KERNELS = 64
"""How many compiled kernels each of the CPU plugin's two caches keeps, for a process.

Nearly every prompt has a length of its own, and each length has kernels of its own that serve
nothing else. By default OpenVINO keeps 5,000 and oneDNN, below it, 1,024: hundreds of MiB.
"""


def check_device(device: str) -> None:
    """Raise LoadError if a device by that name is not in this machine."""
    import openvino

    available: list[str] = openvino.Core().available_devices
    for wanted in _physical(device):
        if not any(name == wanted or name.startswith(wanted + ".") for name in available):
            raise LoadError(f"device {wanted} is not available; available: {', '.join(available)}")


def _physical(device: str) -> list[str]:
    """The devices in a name such as ``AUTO:GPU,CPU``; AUTO alone takes what there is."""
    head, _, rest = device.upper().partition(":")
    if head in ("AUTO", "HETERO", "MULTI", "BATCH"):
        return [name.strip(" -") for name in rest.split(",") if name]
    return [head.removesuffix(".0") if head == "GPU.0" else head]


def bound_kernel_caches() -> None:
    """Have oneDNN keep KERNELS kernels, unless the environment says otherwise.

    It looks when it compiles its first, so this comes before any model is loaded.
    """
    os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", str(KERNELS))


def properties(spec: EngineSpec) -> dict[str, Any]:
    """What is passed to OpenVINO: the configured properties, the compile cache, bounded caches."""
    given = dict(spec.properties)
    if spec.device.upper() == "CPU":
        given.setdefault("CPU_RUNTIME_CACHE_CAPACITY", KERNELS)
    if spec.compile_cache is not None and _is_writable(spec.compile_cache):
        given.setdefault("CACHE_DIR", str(spec.compile_cache))
    return given


def _is_writable(folder: Path) -> bool:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return True
    except OSError as error:
        log.warning("compile cache is not writable (%s), continuing without it", error.strerror)
        return False


def settable_properties(device: str) -> tuple[dict[str, Any], tuple[str, ...]]:
    """The properties of the device that can be set, as plain values, and its precisions."""
    import openvino

    core = openvino.Core()
    name = device.partition(":")[2].split(",")[0] or device
    names = core.get_property(name, "SUPPORTED_PROPERTIES")
    settable = [key for key, mode in names.items() if mode == "RW"]
    defaults = {key: _plain(core.get_property(name, key)) for key in settable}
    return defaults, tuple(core.get_property(name, "OPTIMIZATION_CAPABILITIES"))


def _plain(value: Any) -> Any:
    import openvino

    if isinstance(value, openvino.Type):
        return value.get_type_name()
    return value if isinstance(value, str | int | float | bool) else str(value).rpartition(".")[2]
