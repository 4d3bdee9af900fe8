"""ModelMetadata: what the files of a model tell, without loading it or reading its weights."""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from math import prod
from pathlib import Path
from typing import Any

MODEL_FILE = "openvino_model.xml"
SMALL = 1024 * 1024
"""Files up to this size go into the digest with their content, the others with their size."""

CONSTANT = re.compile(rb'type="Const"[^>]*>\s*<data element_type="(\w+)" shape="([\d, ]+)"')
WEIGHTS = {
    "f64": "F64", "f32": "F32", "f16": "F16", "bf16": "BF16", "f8e4m3": "FP8", "f8e5m2": "FP8",
    "i8": "INT8", "u8": "INT8", "i4": "INT4", "u4": "INT4", "nf4": "NF4", "f4e2m1": "FP4",
}  # fmt: skip
"""OpenVINO's element types that weights have; the others are those of shapes and indices."""

CODE = re.compile(r"\{[{%](.*?)[%}]\}", re.DOTALL)
WORD = re.compile(r"[a-z_]+")
"""The code in a Jinja template, and the words in it."""

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

    `uses` are the words in the code of the chat template: it has all variables that it looks at.
    """

    size: int = 0
    modified: int = 0
    digest: str = ""
    family: str = ""
    parameters: int = 0
    weights: str = ""
    template: str = ""
    uses: frozenset[str] = frozenset()
    info: Mapping[str, str | int | float | bool] = field(default_factory=dict)


@lru_cache(maxsize=256)
def read_metadata(folder: Path) -> ModelMetadata:
    """Blocks for as long as it takes to read the graph, some megabytes; read once for good.

    Files that are missing or broken leave gaps: whoever loads the model reports them.
    """
    files = sorted(file for file in folder.glob("*") if file.is_file())
    stats = [file.stat() for file in files]
    config = _object(folder / "config.json")
    config = {**config, **_object_in(config, "text_config")}
    family = config.get("model_type", "")
    parameters, weights = _weights(folder / MODEL_FILE)
    template = _template(folder)
    return ModelMetadata(
        size=sum(stat.st_size for stat in stats),
        modified=max((stat.st_mtime_ns for stat in stats), default=0),
        digest=_digest(files),
        family=family,
        parameters=parameters,
        weights=weights,
        template=template,
        uses=frozenset(word for code in CODE.findall(template) for word in WORD.findall(code)),
        info=_info(config, family, parameters),
    )


def _digest(files: list[Path]) -> str:
    digest = hashlib.sha256()
    for file in files:
        size = file.stat().st_size
        digest.update(f"{file.name}\0{size}\0".encode())
        if size <= SMALL:
            digest.update(file.read_bytes())
    return digest.hexdigest()


def _weights(graph: Path) -> tuple[int, str]:
    """How many weights there are, and the type of most of them.

    Scales and zero points, whose last dimension is 1, belong to compressed weights: not counted.
    """
    counts: Counter[str] = Counter()
    data = graph.read_bytes() if graph.is_file() else b""
    for kind, shape in CONSTANT.findall(data):
        dimensions = [int(size) for size in shape.split(b",")]
        if dimensions[-1] > 1:
            counts[kind.decode()] += prod(dimensions)
    known = {kind: count for kind, count in counts.items() if kind in WEIGHTS}
    most = max(known, key=lambda kind: known[kind], default="")
    return sum(known.values()), WEIGHTS.get(most, "")


def _info(
    config: Mapping[str, Any], family: str, parameters: int
) -> dict[str, str | int | float | bool]:
    """The facts of config.json, as Ollama's `model_info` has them."""
    config = {**_object_in(config, "rope_parameters"), **config}
    found = {name: config.get(key) for key, name in NAMES.items()}
    info: dict[str, Any] = {
        "general.architecture": family,
        "general.parameter_count": parameters,
        **{f"{family}.{name}": value for name, value in found.items()},
        "tokenizer.ggml.bos_token_id": config.get("bos_token_id"),
        "tokenizer.ggml.eos_token_id": config.get("eos_token_id"),
    }
    return {name: value for name, value in info.items() if isinstance(value, (str, int, float))}


def _template(folder: Path) -> str:
    """The chat template, from a file of its own or from the tokenizer's configuration."""
    file = folder / "chat_template.jinja"
    if file.is_file():
        return file.read_text(encoding="utf-8", errors="replace")
    template = _object(folder / "tokenizer_config.json").get("chat_template")
    if isinstance(template, list):  # several, by name
        named = {entry["name"]: entry["template"] for entry in template}
        template = named.get("tool_use") or named.get("default")
    return template if isinstance(template, str) else ""


def _object(file: Path) -> dict[str, Any]:
    """The JSON object in a file; empty without one."""
    try:
        value = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return value if isinstance(value, dict) else {}


def _object_in(config: Mapping[str, Any], key: str) -> dict[str, Any]:
    value = config.get(key)
    return value if isinstance(value, dict) else {}
