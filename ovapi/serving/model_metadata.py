"""ModelMetadata: what the files of a model tell, without loading it or reading its weights.

Whatever is wrong with the files of one model costs only what its own metadata would have told.
"""

from __future__ import annotations

import hashlib
import math
import os
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar

from ovapi.engine.load_error import LoadError
from ovapi.engine.model_files import ChatTemplateSources, read_chat_templates, read_config

MODEL_FILE = "openvino_model.xml"
SMALL = 1024 * 1024
"""Files up to this size go into the digest with their content, the others with their size."""

MAX_GRAPH = 256 * 1024 * 1024
MAX_CONSTANTS = 100_000
CONSTANT_MARK = b'type="Const"'
CONSTANT = re.compile(
    rb'type="Const"[^>]{0,500}>\s{0,100}'
    rb'<data element_type="(\w{1,16})" shape="([\d, ]{1,200})"'
)
MAX_DIGITS = 15
WEIGHTS = {
    "f64": "F64", "f32": "F32", "f16": "F16", "bf16": "BF16", "f8e4m3": "FP8", "f8e5m2": "FP8",
    "i8": "INT8", "u8": "INT8", "i4": "INT4", "u4": "INT4", "nf4": "NF4", "f4e2m1": "FP4",
}  # fmt: skip
"""OpenVINO's element types that weights have; the others are those of shapes and indices."""

MAX_TEXT = 200
"""Characters of a text in config.json; architectures have about ten."""
MAX_INTEGER = 2**53
MAX_SECONDS = 253_402_300_799
"""The end of the year 9999."""

NAMES = {
    "max_position_embeddings": "context_length",
    "hidden_size": "embedding_length",
    "num_hidden_layers": "block_count",
    "intermediate_size": "feed_forward_length",
    "num_attention_heads": "attention.head_count",
    "num_key_value_heads": "attention.head_count_kv",
    "rms_norm_eps": "attention.layer_norm_rms_epsilon",
    "rope_theta": "rope.freq_base",
    "vocab_size": "vocab_size",
}
"""Keys of Hugging Face's config.json by their names in GGUF, below the architecture's."""


@dataclass(frozen=True)
class ModelMetadata:
    """`size` is of all files, in bytes; `modified` in Unix nanoseconds; "" is not known.

    `template` is that for chats without tools.
    """

    size: int = 0
    modified: int = 0
    digest: str = ""
    family: str = ""
    parameters: int = 0
    weights: str = ""
    template: str = ""
    info: Mapping[str, str | int | float | bool] = field(default_factory=dict)


_T = TypeVar("_T")


@lru_cache(maxsize=256)
def read_metadata(folder: Path) -> ModelMetadata:
    """Blocks for as long as it takes to read the graph, some megabytes; read once for good.

    Files that are missing or broken leave gaps: whoever loads the model reports them.
    """
    files = _files(folder)
    config: dict[str, Any] = _readable(read_config, folder, {})
    templates = _readable(read_chat_templates, folder, ChatTemplateSources())
    family = _text(config.get("model_type")) or ""
    parameters, weights = _weights(folder / MODEL_FILE)
    return ModelMetadata(
        size=sum(stat.st_size for _, stat in files),
        modified=_modified([stat for _, stat in files]),
        digest=_digest(files),
        family=family,
        parameters=parameters,
        weights=weights,
        template=templates.default or "",
        info=_info(config, family, parameters),
    )


def _readable(read: Callable[[Path], _T], folder: Path, otherwise: _T) -> _T:
    try:
        return read(folder)
    except LoadError:
        return otherwise


def _files(folder: Path) -> list[tuple[Path, os.stat_result]]:
    """Those that can be looked at; others come and go, or belong to somebody else."""
    found = []
    for file in sorted(folder.glob("*")):
        try:
            if file.is_file():
                found.append((file, file.stat()))
        except OSError:
            continue
    return found


def _modified(stats: list[os.stat_result]) -> int:
    """The last change of any file, within the years that can be written."""
    latest = max((stat.st_mtime_ns for stat in stats), default=0)
    return min(max(latest, 0), MAX_SECONDS * 10**9)


def _digest(files: list[tuple[Path, os.stat_result]]) -> str:
    digest = hashlib.sha256()
    for file, stat in files:
        digest.update(os.fsencode(file.name) + f"\0{stat.st_size}\0".encode())
        if stat.st_size <= SMALL:
            digest.update(_content(file, SMALL))
    return digest.hexdigest()


def _content(file: Path, most: int) -> bytes:
    """Its bytes; none of a file that is larger, or cannot be read."""
    try:
        return file.read_bytes() if file.stat().st_size <= most else b""
    except OSError:
        return b""


def _weights(graph: Path) -> tuple[int, str]:
    """How many weights there are, and the type of most of them.

    Scales and zero points, whose last dimension is 1, belong to compressed weights: not counted.
    """
    counts: Counter[str] = Counter()
    for kind, shape in _constants(_content(graph, MAX_GRAPH)):
        digits = shape.split(b",")
        if all(0 < len(size.strip()) <= MAX_DIGITS for size in digits) and int(digits[-1]) > 1:
            counts[kind.decode()] += math.prod(map(int, digits))
    known = {kind: count for kind, count in counts.items() if kind in WEIGHTS}
    most = max(known, key=lambda kind: known[kind], default="")
    total = sum(known.values())
    return (total, WEIGHTS[most]) if 0 < total <= MAX_INTEGER else (0, "")


def _constants(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Element type and shape of each constant in a graph."""
    position = 0
    for _ in range(MAX_CONSTANTS):
        position = data.find(CONSTANT_MARK, position)
        if position < 0:
            return
        found = CONSTANT.match(data, position)
        if found is not None:
            yield found.group(1), found.group(2)
        position = found.end() if found else position + 1


def _info(
    config: Mapping[str, Any], family: str, parameters: int
) -> dict[str, str | int | float | bool]:
    """The facts of config.json, as Ollama's `model_info` has them."""
    rope = config.get("rope_parameters")
    config = {**(rope if isinstance(rope, dict) else {}), **config}
    found = {name: config.get(key) for key, name in NAMES.items()}
    info: dict[str, Any] = {
        "general.architecture": family,
        "general.parameter_count": parameters,
        **{f"{family}.{name}": value for name, value in found.items()},
        "tokenizer.ggml.bos_token_id": config.get("bos_token_id"),
        "tokenizer.ggml.eos_token_id": config.get("eos_token_id"),
    }
    facts = {name: _fact(value) for name, value in info.items()}
    return {name: value for name, value in facts.items() if value is not None}


def _fact(value: Any) -> str | int | float | bool | None:
    """A scalar that every JSON reader takes, or None."""
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, int) and abs(value) <= MAX_INTEGER:
        return value
    return value if isinstance(value, float) and math.isfinite(value) else None


def _text(value: Any) -> str | None:
    """A text that is short and can be encoded, or None."""
    if not isinstance(value, str) or len(value) > MAX_TEXT or not value.isprintable():
        return None
    return value
