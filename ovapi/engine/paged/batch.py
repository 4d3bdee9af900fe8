"""Batch: the arrays of one forward pass over tokens of several sequences."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ovapi.engine.paged.group import Span
from ovapi.engine.paged.sequence import blocks_for

Int32 = NDArray[np.int32]
Int64 = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Batch:
    """What the model's inputs of these names take: N tokens of S sequences in B blocks.

    `past_lens` are the tokens of each sequence that are in the cache before the pass. The begins
    are offsets, with the end after the last one. `sampled_tokens_indices` are the rows of which
    logits are wanted.
    """

    input_ids: Int64  # [N]
    position_ids: Int64  # [N]
    past_lens: Int32  # [S]
    subsequence_begins: Int32  # [S + 1]
    block_indices: Int32  # [B]
    block_indices_begins: Int32  # [S + 1]
    max_context_len: Int32  # []
    sampled_tokens_indices: Int64  # [R]

    @classmethod
    def of(cls, spans: Sequence[Span]) -> Batch:
        counts = [span.count for span in spans]
        pasts = [span.sequence.computed for span in spans]
        ends = [past + count for past, count in zip(pasts, counts, strict=True)]
        blocks = [
            span.sequence.blocks[: blocks_for(end)] for span, end in zip(spans, ends, strict=True)
        ]
        begins = list(accumulate(counts, initial=0))
        return cls(
            input_ids=_array([token for span in spans for token in span.ids], np.int64),
            position_ids=_array(list(_positions(pasts, ends)), np.int64),
            past_lens=_array(pasts, np.int32),
            subsequence_begins=_array(begins, np.int32),
            block_indices=_array([block for one in blocks for block in one], np.int32),
            block_indices_begins=_array(list(accumulate(map(len, blocks), initial=0)), np.int32),
            max_context_len=np.array(max(ends), np.int32),
            sampled_tokens_indices=_array(list(_rows(spans, begins)), np.int64),
        )


def _positions(pasts: list[int], ends: list[int]) -> Iterator[int]:
    for past, end in zip(pasts, ends, strict=True):
        yield from range(past, end)


def _rows(spans: Sequence[Span], begins: list[int]) -> Iterator[int]:
    for span, end in zip(spans, begins[1:], strict=True):
        yield from range(end - span.rows, end)


def _array(values: list[int], dtype: type[Any]) -> NDArray[Any]:
    return np.array(values, dtype)
