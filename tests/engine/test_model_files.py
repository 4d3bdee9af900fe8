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
        ({"chat_template": [{"template": "d"}]}, "", "d"),
        ({"chat_template": [{"name": 5, "template": "d"}]}, "", "d"),
        ({"chat_template": [{"name": "tool_use", "template": "e"}]}, "", "e"),
        ({"chat_template": None}, "", None),
        ({}, "", None),
        (None, "", None),
    ],
)
def test_where_templates_are(
    tmp_path: Path, tokenizer: Any, template: str, found: str | None
) -> None:
    assert ModelFiles.read(folder(tmp_path, LLAMA, tokenizer, template)).chat_template == found


TWO = [{"name": "default", "template": "a"}, {"name": "tool_use", "template": "b"}]


def test_a_template_for_tools_in_the_list(tmp_path: Path) -> None:
    files = ModelFiles.read(folder(tmp_path, LLAMA, {"chat_template": TWO}))
    assert (files.chat_template, files.tool_template) == ("a", "b")


def test_a_template_for_tools_in_a_file(tmp_path: Path) -> None:
    path = folder(tmp_path, LLAMA, {"chat_template": TWO}, "c")
    (path / "additional_chat_templates").mkdir()
    (path / "additional_chat_templates" / "tool_use.jinja").write_text("d")
    files = ModelFiles.read(path)
    assert (files.chat_template, files.tool_template) == ("c", "d")


@pytest.mark.parametrize(
    "tokenizer",
    [
        {"chat_template": 5},
        {"chat_template": [5]},
        {"chat_template": [{"name": "default"}]},
        {"chat_template": "\ud800"},
        {"chat_template": "a" * (2**20 + 1)},
        {"bos_token": "\ud800"},
    ],
    ids=["number", "list of numbers", "no template", "surrogate", "large", "token"],
)
def test_odd_templates_are_refused(tmp_path: Path, tokenizer: Any) -> None:
    with pytest.raises(LoadError):
        ModelFiles.read(folder(tmp_path, LLAMA, tokenizer))


@pytest.mark.parametrize("key", ["max_position_embeddings", "vocab_size", "eos_token_id"])
@pytest.mark.parametrize(
    "value", ["4096", [[1]], {}, -1, 1.5, float("nan"), float("inf"), 10**30, True]
)
def test_odd_numbers_are_refused_by_name(tmp_path: Path, key: str, value: Any) -> None:
    with pytest.raises(LoadError, match=key):
        ModelFiles.read(folder(tmp_path, {**LLAMA, key: value}))


@pytest.mark.parametrize("value", ["8", [8], 0, -8, 1.5, float("nan"), True])
def test_an_odd_shape_is_not_known(tmp_path: Path, value: Any) -> None:
    files = ModelFiles.read(folder(tmp_path, {**LLAMA, "num_attention_heads": value}))
    assert files.cache_values is None


def test_files_that_are_no_json(tmp_path: Path) -> None:
    path = folder(tmp_path, LLAMA)
    for content in (b"{", b"[" * 100_000, b'{"a": "\xff"}', b"5", b"1" * 5000):
        (path / "generation_config.json").write_bytes(content)
        with pytest.raises(LoadError, match=r"generation_config\.json"):
            ModelFiles.read(path)


def test_a_text_config_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(LoadError, match="text_config"):
        ModelFiles.read(folder(tmp_path, {**LLAMA, "text_config": [1]}))


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
