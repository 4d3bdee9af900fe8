"""What the files beside a model say, and how much cache that makes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ovapi.engine.base import EngineSpec
from ovapi.engine.kv_cache_size import available_memory, cache_size
from ovapi.engine.load_error import LoadError
from ovapi.engine.model_files import MODEL_FILES, ModelFiles
from tests.support.driver import DEMO

LLAMA = {
    "max_position_embeddings": 4096,
    "vocab_size": 768,
    "num_hidden_layers": 4,
    "num_attention_heads": 8,
    "num_key_value_heads": 4,
    "hidden_size": 256,
    "eos_token_id": [2, 5],
}


def folder(tmp_path: Path, config: Any, tokenizer: Any = None, template: str = "") -> Path:
    for name in MODEL_FILES:
        (tmp_path / name).touch()
    (tmp_path / "config.json").write_text(json.dumps(config))
    if tokenizer is not None:
        (tmp_path / "tokenizer_config.json").write_text(json.dumps(tokenizer))
    if template:
        (tmp_path / "chat_template.jinja").write_text(template)
    return tmp_path


def test_the_built_in_model() -> None:
    files = ModelFiles.read(DEMO)
    assert files.context == 4096
    assert files.eos_ids == {2}
    assert files.chat_template
    assert files.variables["eos_token"] == "<|im_end|>"


def test_a_configured_context_only_lowers(tmp_path: Path) -> None:
    path = folder(tmp_path, LLAMA)
    assert ModelFiles.read(path, 100).context == 100
    assert ModelFiles.read(path, 10_000).context == 4096
    assert ModelFiles.read(path).eos_ids == {2, 5}


def test_a_nested_text_config(tmp_path: Path) -> None:
    files = ModelFiles.read(folder(tmp_path, {"text_config": LLAMA}))
    assert files.cache_values == 2 * 4 * 4 * 32


@pytest.mark.parametrize(
    ("tokenizer", "template", "found"),
    [
        ({"chat_template": "a"}, "", "a"),
        ({"chat_template": "a"}, "b", "b"),
        ({"chat_template": [{"name": "default", "template": "c"}]}, "", "c"),
        ({}, "", None),
        (None, "", None),
    ],
)
def test_where_templates_are(
    tmp_path: Path, tokenizer: Any, template: str, found: str | None
) -> None:
    assert ModelFiles.read(folder(tmp_path, LLAMA, tokenizer, template)).chat_template == found


def test_special_tokens_may_be_objects(tmp_path: Path) -> None:
    files = ModelFiles.read(folder(tmp_path, LLAMA, {"bos_token": {"content": "<s>"}}))
    assert files.variables == {"bos_token": "<s>"}


def test_json_that_is_no_object(tmp_path: Path) -> None:
    with pytest.raises(LoadError, match=r"config\.json"):
        ModelFiles.read(folder(tmp_path, [1]))


def spec(path: Path, **fields: Any) -> EngineSpec:
    return EngineSpec("m", path, **fields)


def test_the_cache_is_counted_in_blocks(tmp_path: Path) -> None:
    files = ModelFiles.read(folder(tmp_path, LLAMA))
    size = cache_size(spec(tmp_path, cache_bytes=1_000_000), files)
    assert (size.blocks, size.tokens, size.size_bytes) == (15, 480, 15 * 65536)
    wide = spec(tmp_path, cache_bytes=1_000_000, properties={"KV_CACHE_PRECISION": "f32"})
    assert cache_size(wide, files).tokens == 224
    with pytest.raises(LoadError):
        cache_size(spec(tmp_path, cache_bytes=100), files)


def test_by_default_it_holds_a_context_and_not_much_more(tmp_path: Path) -> None:
    files = ModelFiles.read(folder(tmp_path, LLAMA))
    size = cache_size(spec(tmp_path), files)
    assert size.tokens is not None
    assert 4096 <= size.tokens <= 16 * 4096
    long = ModelFiles.read(folder(tmp_path, {**LLAMA, "max_position_embeddings": 10_000_000}))
    assert cache_size(spec(tmp_path), long).tokens == 10_000_000


def test_models_of_unknown_shape_get_gigabytes(tmp_path: Path) -> None:
    files = ModelFiles.read(folder(tmp_path, {}))
    size = cache_size(spec(tmp_path), files)
    assert (size.blocks, size.tokens, size.gigabytes) == (None, None, 1)


def test_memory_is_known() -> None:
    assert available_memory() > 1 << 20
