"""ModelFiles: what the files beside a model say about it."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ovapi.engine.load_error import LoadError

MODEL_FILES = ("openvino_model.xml", "openvino_model.bin", "openvino_tokenizer.xml")
_DEFAULT_CONTEXT = 2048
_MAX_FILE = 8 * 2**20
_MAX_TEMPLATE = 2**20
_MAX_NUMBER = 2**40
_TOKENS = ("bos_token", "eos_token", "unk_token", "pad_token", "sep_token", "cls_token")


@dataclass(frozen=True, slots=True)
class ModelFiles:
    """`cache_values` is the number of values that one token puts into the KV cache.

    It is None where config.json does not tell. `tool_template` is the chat template for requests
    with tools, where it is another. `variables` are the special tokens that chat templates use by
    name (``bos_token`` …).
    """

    context: int
    vocabulary: int | None
    cache_values: int | None
    eos_ids: frozenset[int]
    chat_template: str | None
    variables: Mapping[str, str]
    tool_template: str | None = None

    @classmethod
    def read(cls, folder: Path, context: int | None = None) -> ModelFiles:
        """Read the folder; `context` caps the model's own. Raises LoadError."""
        _check_files(folder)
        config = read_config(folder)
        templates = read_chat_templates(folder)
        own = _number(config, "max_position_embeddings") or context or _DEFAULT_CONTEXT
        generation = _read_object(folder / "generation_config.json")
        return cls(
            context=min(own, context or own),
            vocabulary=_number(config, "vocab_size"),
            cache_values=_cache_values(config),
            eos_ids=_ids(generation) or _ids(config),
            chat_template=templates.default,
            variables=read_template_variables(folder),
            tool_template=templates.tool_use,
        )


@dataclass(frozen=True, slots=True)
class ChatTemplateSources:
    """`tool_use` is for requests with tools; None: `default` is for all."""

    default: str | None = None
    tool_use: str | None = None


def read_config(folder: Path) -> dict[str, Any]:
    """config.json, with what it says of the language model among others. Raises LoadError."""
    config = _read_object(folder / "config.json")
    text = config.get("text_config")
    if text is not None and not isinstance(text, dict):
        raise LoadError("text_config in config.json of the model is not a JSON object")
    return {**config, **(text or {})}


def read_chat_templates(folder: Path) -> ChatTemplateSources:
    """From files of their own, or else from the tokenizer's configuration. Raises LoadError."""
    named = _template_files(folder)
    if not named:
        named = _named_templates(_read_object(folder / "tokenizer_config.json"))
    for template in named.values():
        if len(template) > _MAX_TEMPLATE:
            raise LoadError(f"a chat template has more than {_MAX_TEMPLATE} characters")
        _check_unicode(template, "a chat template")
    tool_use = named.get("tool_use")
    default = named.get("default", tool_use)
    return ChatTemplateSources(default, tool_use if tool_use != default else None)


def read_template_variables(folder: Path) -> Mapping[str, str]:
    """The special tokens that chat templates use by name. Raises LoadError."""
    return _variables(_read_object(folder / "tokenizer_config.json"))


def _template_files(folder: Path) -> dict[str, str]:
    """By name: chat_template.jinja is the default, the others are in a folder."""
    files = {"default": folder / "chat_template.jinja"}
    more = folder / "additional_chat_templates" / "tool_use.jinja"
    if files["default"].is_file():
        files["tool_use"] = more
    return {name: _read_text(file) for name, file in files.items() if file.is_file()}


def _named_templates(tokenizer: Mapping[str, Any]) -> dict[str, str]:
    """Templates by name; one without a name is the default."""
    given = tokenizer.get("chat_template")
    entries = given if isinstance(given, list) else [{"template": given}] if given else []
    named: dict[str, str] = {}
    for entry in entries:
        template = entry.get("template") if isinstance(entry, dict) else None
        if not isinstance(template, str):
            raise LoadError("chat_template in tokenizer_config.json of the model has no text")
        name = entry.get("name")
        named.setdefault(name if isinstance(name, str) else "default", template)
    return named


def _check_files(folder: Path) -> None:
    if not folder.is_dir():
        raise LoadError("the model folder does not exist")
    for name in MODEL_FILES:
        if not (folder / name).is_file():
            raise LoadError(f"the model folder has no {name}")


def _read_object(path: Path) -> dict[str, Any]:
    """The JSON object in a file; empty if there is no such file. Raises LoadError."""
    if not path.is_file():
        return {}
    try:
        data = json.loads(_read_text(path))
    except (ValueError, RecursionError):
        raise LoadError(f"{path.name} of the model is not valid JSON") from None
    if not isinstance(data, dict):
        raise LoadError(f"{path.name} of the model is not a JSON object")
    return data


def _read_text(path: Path) -> str:
    try:
        if path.stat().st_size > _MAX_FILE:
            raise LoadError(f"{path.name} of the model is larger than {_MAX_FILE >> 20} MiB")
        return path.read_text(encoding="utf-8")
    except (OSError, ValueError):
        raise LoadError(f"{path.name} of the model cannot be read") from None


def _check_unicode(text: str, what: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise LoadError(f"{what} of the model contains an unpaired surrogate") from None


def _ids(config: Mapping[str, Any]) -> frozenset[int]:
    value = config.get("eos_token_id")
    ids = value if isinstance(value, list) else [] if value is None else [value]
    if not all(type(id) is int and 0 <= id <= _MAX_NUMBER for id in ids):
        raise LoadError("eos_token_id of the model is not a token id")
    return frozenset(ids)


def _number(config: Mapping[str, Any], key: str) -> int | None:
    """None if it is absent. Raises LoadError unless it is a positive whole number."""
    value = config.get(key)
    number = whole_number(value)
    if value is not None and number is None:
        raise LoadError(f"{key} in config.json of the model is not a positive whole number")
    return number


def whole_number(value: Any) -> int | None:
    """`value` if it is a positive whole number of a sensible size, also one such as 4096.0."""
    if isinstance(value, float) and math.isfinite(value) and value.is_integer():
        value = int(value)
    return value if type(value) is int and 0 < value <= _MAX_NUMBER else None


def _cache_values(config: Mapping[str, Any]) -> int | None:
    heads = whole_number(config.get("num_attention_heads"))
    layers = whole_number(config.get("num_hidden_layers"))
    if heads is None or layers is None:
        return None
    kv_heads = whole_number(config.get("num_key_value_heads")) or heads
    size = whole_number(config.get("hidden_size"))
    head = whole_number(config.get("head_dim")) or (size and size // heads)
    return 2 * layers * kv_heads * head if head else None


def _variables(tokenizer: Mapping[str, Any]) -> dict[str, str]:
    found = {}
    for name in _TOKENS:
        value = tokenizer.get(name)
        if isinstance(value, dict):
            value = value.get("content")
        if isinstance(value, str):
            _check_unicode(value, name)
            found[name] = value
    return found
