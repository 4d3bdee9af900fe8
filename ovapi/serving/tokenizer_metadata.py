"""TokenizerMetadata: what the files of a model tell of its tokenizer, without loading it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

FILE = "tokenizer_config.json"
MAX_BYTES = 64 * 1024 * 1024
TOKENS = ("bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token")
DEFAULT_CLASS = "PreTrainedTokenizerFast"


@dataclass(frozen=True)
class TokenizerMetadata:
    """`name` is the class in Hugging Face's library. `tokens` are the texts of special tokens, by
    their names there; None where there is no such token."""

    name: str
    tokens: Mapping[str, str | None]


@lru_cache(maxsize=256)
def read_tokenizer(folder: Path) -> TokenizerMetadata:
    """Blocks while it reads; a file that is missing or broken leaves gaps."""
    config = _read(folder / FILE)
    name = _text(config.get("tokenizer_class")) or DEFAULT_CLASS
    return TokenizerMetadata(name, {token: _text(config.get(token)) for token in TOKENS})


def _read(file: Path) -> dict[str, Any]:
    try:
        if file.stat().st_size > MAX_BYTES:
            return {}
        value = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def _text(value: Any) -> str | None:
    """A text that can be encoded, by itself or as a token's `content`."""
    if isinstance(value, dict):
        value = value.get("content")
    if not isinstance(value, str):
        return None
    return value if _encodable(value) else None


def _encodable(text: str) -> bool:
    """JSON can hold halves of characters, which UTF-8 cannot."""
    return not any("\ud800" <= character <= "\udfff" for character in text)
