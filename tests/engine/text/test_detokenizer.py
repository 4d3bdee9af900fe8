"""Detokenizing token by token, for every way to split a text's bytes into tokens."""

from __future__ import annotations

from itertools import pairwise
from types import SimpleNamespace
from typing import Any

import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ovapi.engine.text.detokenizer import (
    BytesDetokenizer,
    Detokenizer,
    TokenTable,
    WindowDetokenizer,
)
from tests.support.driver import DEMO

TEXT = st.text(
    alphabet=st.one_of(st.sampled_from("aé世🚀‍️"), st.characters(exclude_categories=["Cs"]))
)
CUTS = st.lists(st.integers(1, 40), max_size=20)


def split(data: bytes, cuts: list[int]) -> list[bytes]:
    borders = sorted({0, len(data), *(cut for cut in cuts if cut < len(data))})
    return [data[a:b] for a, b in pairwise(borders)]


def streamed(detokenizer: Detokenizer, ids: list[int]) -> list[str]:
    return [*map(detokenizer.push, ids), detokenizer.flush()]


@given(TEXT, CUTS)
def test_every_split_of_a_text_comes_out_whole(text: str, cuts: list[int]) -> None:
    table = TokenTable(split(text.encode(), cuts), frozenset(), None)
    parts = streamed(BytesDetokenizer(table, True), list(range(len(table.pieces))))
    assert "".join(parts) == text
    assert text.count("\ufffd") == sum(part.count("\ufffd") for part in parts)


@given(st.binary(max_size=40), CUTS)
def test_bytes_that_are_no_text_come_out_like_the_whole(data: bytes, cuts: list[int]) -> None:
    table = TokenTable(split(data, cuts), frozenset(), None)
    parts = streamed(BytesDetokenizer(table, True), list(range(len(table.pieces))))
    assert "".join(parts) == data.decode("utf-8", "replace")


class BytesTokenizer:
    """A tokenizer of single bytes, as openvino_genai's: id 256 is special."""

    def __init__(self, vocabulary: dict[bytes, int] | None = None) -> None:
        self.vocabulary = vocabulary or {bytes((i,)): i for i in range(256)} | {b"<s>": 256}

    def get_vocab(self) -> dict[bytes, int]:
        return self.vocabulary

    def decode(self, ids: list[int], skip_special_tokens: bool = True) -> str:
        data = b"".join(
            b"" if id == 256 and skip_special_tokens else b"<s>" if id == 256 else bytes((id,))
            for id in ids
        )
        return data.decode("utf-8", "replace")

    def encode(self, text: str, add_special_tokens: bool) -> Any:
        ids = numpy.array([list(text.encode())])
        return SimpleNamespace(input_ids=SimpleNamespace(data=ids))


@given(TEXT)
def test_the_slow_way_gives_whole_characters_too(text: str) -> None:
    parts = streamed(WindowDetokenizer(BytesTokenizer(), True), list(text.encode()))
    assert "".join(parts) == text


def test_a_vocabulary_that_decodes_otherwise_takes_the_slow_way() -> None:
    scrambled = {bytes((255 - i,)): i for i in range(256)} | {b"<s>": 256}
    assert TokenTable.build(BytesTokenizer()).exact
    table = TokenTable.build(BytesTokenizer(scrambled))
    assert not table.exact
    assert isinstance(table.detokenizer(True), WindowDetokenizer)
    assert table.text(list(b"plain")) == "plain"


def test_sentencepiece_vocabularies() -> None:
    pieces = {b"<unk>": 0, "▁Hello".encode(): 1, "▁".encode(): 2, b"<0xC3>": 3, b"<0xA9>": 4}
    pieces[b"<0x00>"] = 5

    class Tokenizer(BytesTokenizer):
        def decode(self, ids: list[int], skip_special_tokens: bool = True) -> str:
            texts = {0: "<unk>", 1: " Hello", 2: " ", 3: "", 4: "é", 5: "\0"}
            return "".join(texts[id] for id in ids)

        def encode(self, text: str, add_special_tokens: bool) -> Any:
            return SimpleNamespace(input_ids=SimpleNamespace(data=numpy.array([[1, 2, 3, 4]])))

    table = TokenTable.build(Tokenizer(pieces))
    assert table.exact
    assert streamed(table.detokenizer(True), [1, 2, 3, 4]) == [" Hello", " ", "", "é", ""]


@pytest.fixture(scope="module")
def table() -> TokenTable:
    genai = pytest.importorskip("openvino_genai")
    return TokenTable.build(genai.Tokenizer(DEMO))


def test_the_built_in_model_takes_the_fast_way(table: TokenTable) -> None:
    assert table.exact
    assert sorted(table.special_texts()) == ["<|endoftext|>", "<|im_end|>", "<|im_start|>"]


def test_special_tokens_are_skipped_unless_asked_for(table: TokenTable) -> None:
    ids = [1, 300, 2]
    assert "".join(streamed(table.detokenizer(True), ids)) == table.text([300])
    assert "".join(streamed(table.detokenizer(False), ids)) == table.text(ids)


@given(ids=st.lists(st.integers(0, 767), max_size=30))
def test_tables_decode_as_the_tokenizer_does(table: TokenTable, ids: list[int]) -> None:
    assert table.text(ids) == "".join(streamed(table.detokenizer(False), ids))
    assert table.text(ids).replace("\ufffd", "") == str(
        table._tokenizer.decode(ids, False)
    ).replace("\ufffd", "")


def test_padding_ids_have_no_text(table: TokenTable) -> None:
    assert table.detokenizer(True).push(100_000) == ""
    assert table.piece(100_000) == b""
