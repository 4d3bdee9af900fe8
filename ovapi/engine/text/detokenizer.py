"""From token ids to text, a step at a time: never half a character, and none lost.

`Tokenizer.decode` costs 0.2 to 0.6 ms a call and holds the GIL. A table of each token's bytes,
made once and checked against the tokenizer, costs about a microsecond a token.
"""

from __future__ import annotations

import codecs
import logging
import re
from collections.abc import Sequence
from typing import Any, Protocol

log = logging.getLogger(__name__)

_BYTE_PIECE = re.compile(rb"<0x([0-9A-F]{2})>")
_SPACE = "▁".encode()
_SAMPLES = ("Hello, world!", " a  b\n\tc 12345", "naïve Äpfel", "世界 مرحبا 🚀", '{"k": [1, "v"]}')
_CHUNK = 4096


class Detokenizer(Protocol):
    """Text of one growing sequence of tokens."""

    def push(self, token: int) -> str:
        """The text that this token completes; may be empty."""
        ...

    def flush(self) -> str:
        """The sequence has ended: what is left, an unfinished character as U+FFFD."""
        ...


class TokenTable:
    """The bytes of each token, and which tokens are special; shared by all requests.

    `longest` is the size of the longest token in bytes. Without `exact` the bytes are not to be
    trusted, and the tokenizer itself decodes.
    """

    def __init__(self, pieces: Sequence[bytes], special: frozenset[int], tokenizer: Any) -> None:
        self.pieces = pieces
        self.special = special
        self.exact = True
        self.longest = max(map(len, pieces), default=1) or 1
        self._tokenizer = tokenizer

    @classmethod
    def build(cls, tokenizer: Any) -> TokenTable:
        """Read the vocabulary of an openvino_genai.Tokenizer, and check that decoding agrees."""
        vocabulary: dict[bytes, int] = tokenizer.get_vocab()
        pieces = [b""] * (max(vocabulary.values(), default=-1) + 1)
        for piece, token in vocabulary.items():
            pieces[token] = piece
        if b"<0x00>" in vocabulary or any(piece.startswith(_SPACE) for piece in vocabulary):
            pieces = [_from_sentencepiece(piece) for piece in pieces]
        table = cls(pieces, _find_special(tokenizer, len(pieces)), tokenizer)
        table.exact = table._agrees()
        if not table.exact:
            log.warning("vocabulary is not byte-level, using the slower detokenizer")
        return table

    def _agrees(self) -> bool:
        for sample in _SAMPLES:
            encoded = self._tokenizer.encode(sample, add_special_tokens=False)
            ids = encoded.input_ids.data[0].tolist()
            # SentencePiece drops the space at the very start; a stream must keep it
            if self.text(ids).lstrip(" ") != self._tokenizer.decode(ids).lstrip(" "):
                return False
        return True

    def piece(self, token: int) -> bytes:
        """The bytes of a token; ids that only pad the model's vocabulary have none."""
        return self.pieces[token] if token < len(self.pieces) else b""

    def text(self, ids: Sequence[int], skip_special: bool = False) -> str:
        """The text of a whole sequence."""
        if not self.exact:
            return str(self._tokenizer.decode(list(ids), skip_special))
        kept = (token for token in ids if not (skip_special and token in self.special))
        return b"".join(map(self.piece, kept)).decode("utf-8", "replace")

    def special_texts(self) -> tuple[str, ...]:
        """What special tokens look like as text."""
        return tuple(self.piece(token).decode("utf-8", "replace") for token in self.special)

    def detokenizer(self, skip_special: bool) -> Detokenizer:
        if self.exact:
            return BytesDetokenizer(self, skip_special)
        return WindowDetokenizer(self._tokenizer, skip_special)


def _from_sentencepiece(piece: bytes) -> bytes:
    byte = _BYTE_PIECE.fullmatch(piece)
    return bytes((int(byte[1], 16),)) if byte else piece.replace(_SPACE, b" ")


def _find_special(tokenizer: Any, size: int) -> frozenset[int]:
    """The ids that decoding skips. They are few: halve the ranges whose text changes."""
    found: set[int] = set()
    ranges = [range(start, min(start + _CHUNK, size)) for start in range(0, size, _CHUNK)]
    while ranges:
        ids = ranges.pop()
        if tokenizer.decode(list(ids), True) == tokenizer.decode(list(ids), False):
            continue
        if len(ids) == 1:
            found.add(ids[0])
        else:
            middle = len(ids) // 2
            ranges += [ids[:middle], ids[middle:]]
    return frozenset(found)


class BytesDetokenizer:
    """The fast way: an incremental UTF-8 decoder over the tokens' bytes."""

    __slots__ = ("_decode", "_pieces", "_skip")

    def __init__(self, table: TokenTable, skip_special: bool) -> None:
        self._decode = codecs.getincrementaldecoder("utf-8")("replace").decode
        self._pieces = table.pieces
        self._skip = table.special if skip_special else frozenset[int]()

    def push(self, token: int) -> str:
        if token in self._skip or token >= len(self._pieces):
            return ""
        return self._decode(self._pieces[token])

    def flush(self) -> str:
        return self._decode(b"", True)


class WindowDetokenizer:
    """The slow way, for any tokenizer: decode the last tokens with their context, twice.

    Text is given out when it does not end inside a character; the context keeps spaces right.
    """

    _MAX_CHARACTER_TOKENS = 16

    def __init__(self, tokenizer: Any, skip_special: bool) -> None:
        self._tokenizer = tokenizer
        self._skip = skip_special
        self._context: list[int] = []
        self._waiting: list[int] = []

    def push(self, token: int) -> str:
        self._waiting.append(token)
        text = self._new_text()
        if text.endswith("\ufffd") and len(self._waiting) < self._MAX_CHARACTER_TOKENS:
            return ""
        return self._give(text)

    def flush(self) -> str:
        return self._give(self._new_text())

    def _new_text(self) -> str:
        if not self._waiting:
            return ""
        before = self._tokenizer.decode(self._context, self._skip) if self._context else ""
        after = self._tokenizer.decode(self._context + self._waiting, self._skip)
        return str(after[len(before) :])

    def _give(self, text: str) -> str:
        if self._waiting:
            self._context, self._waiting = self._waiting, []
        return text
