"""ModelFiles: what the files beside a model say about it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ovapi.engine.load_error import LoadError

MODEL_FILES = ("openvino_model.xml", "openvino_model.bin", "openvino_tokenizer.xml")
_DEFAULT_CONTEXT = 2048


@dataclass(frozen=True, slots=True)
class ModelFiles:
    """`cache_values` is the number of values that one token puts into the KV cache.

    It is None where config.json does not tell. `variables` are the special tokens that chat
    templates use by name (``bos_token`` …).
    """

    context: int
    vocabulary: int | None
    cache_values: int | None
    eos_ids: frozenset[int]
    chat_template: str | None
    variables: Mapping[str, str]

    @classmethod
    def read(cls, folder: Path, context: int | None = None) -> ModelFiles:
        """Read the folder; `context` caps the model's own. Raises LoadError."""
        _check_files(folder)
        config = _read_json(folder / "config.json")
        config = {**config, **config.get("text_config", {})}
        tokenizer = _read_json(folder / "tokenizer_config.json")
        output_processor = _read_json(folder / "generation_config.json")
        own = config.get("max_position_embeddings") or context or _DEFAULT_CONTEXT
        return cls(
            context=min(own, context or own),
            vocabulary=config.get("vocab_size"),
            cache_values=_cache_values(config),
            eos_ids=_ids(output_processor.get("eos_token_id")) or _ids(config.get("eos_token_id")),
            chat_template=_chat_template(folder, tokenizer),
            variables=_variables(tokenizer),
        )


def _check_files(folder: Path) -> None:
    if not folder.is_dir():
        raise LoadError("the model folder does not exist")
    for name in MODEL_FILES:
        if not (folder / name).is_file():
            raise LoadError(f"the model folder has no {name}")


def _read_json(path: Path) -> dict[str, Any]:
    """The object in a file; empty if there is no such file."""
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError):
        raise LoadError(f"{path.name} of the model cannot be read") from None
    if not isinstance(data, dict):
        raise LoadError(f"{path.name} of the model is not a JSON object")
    return data


def _ids(value: int | list[int] | None) -> frozenset[int]:
    if value is None:
        return frozenset()
    return frozenset(value) if isinstance(value, list) else frozenset((value,))


def _cache_values(config: Mapping[str, Any]) -> int | None:
    try:
        heads = config["num_attention_heads"]
        kv_heads = config.get("num_key_value_heads") or heads
        head = config.get("head_dim") or config["hidden_size"] // heads
        return int(2 * config["num_hidden_layers"] * kv_heads * head)
    except (KeyError, TypeError):
        return None


def _chat_template(folder: Path, tokenizer: Mapping[str, Any]) -> str | None:
    """From chat_template.jinja or tokenizer_config.json, whichever there is."""
    file = folder / "chat_template.jinja"
    if file.is_file():
        return file.read_text(encoding="utf-8")
    template = tokenizer.get("chat_template")
    if isinstance(template, list):
        named = {entry["name"]: entry["template"] for entry in template}
        template = named.get("tool_use") or named.get("default")
    return template if isinstance(template, str) else None


def _variables(tokenizer: Mapping[str, Any]) -> dict[str, str]:
    found = {}
    for name in ("bos_token", "eos_token", "unk_token", "pad_token", "sep_token", "cls_token"):
        value = tokenizer.get(name)
        if isinstance(value, dict):
            value = value.get("content")
        if isinstance(value, str):
            found[name] = value
    return found
