"""Dialogues as token ids, with a mask of the tokens that the model has to produce."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from random import Random

import torch
from tokenizers import Tokenizer
from torch import Tensor

from training.mix import Dialogue, Mix
from training.template import render
from training.tokenizer import END_OF_TEXT, END_OF_TURN, START_OF_TURN


@dataclass(frozen=True)
class Sample:
    """Token ids, and for each whether its prediction counts."""

    ids: list[int]
    wanted: list[bool]


@dataclass(frozen=True)
class Batch:
    """Samples of like length: ids [batch, length], padded right; `wanted` alike, as booleans."""

    ids: Tensor
    wanted: Tensor


class Encoder:
    """Turns dialogues into samples: in `<|im_start|>assistant\\n…<|im_end|>` all after the
    first three tokens is wanted."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self.tokenizer = tokenizer
        self.pad = tokenizer.token_to_id(END_OF_TEXT)
        self._end = tokenizer.token_to_id(END_OF_TURN)
        self._header = tokenizer.encode(f"{START_OF_TURN}assistant\n").ids

    def __call__(self, dialogue: Dialogue) -> Sample:
        ids = self.tokenizer.encode(render(dialogue)).ids
        wanted = [False] * len(ids)
        for start in self._answers(ids, dialogue):
            end = ids.index(self._end, start)
            wanted[start : end + 1] = [True] * (end + 1 - start)
        return Sample(ids, wanted)

    def _answers(self, ids: list[int], dialogue: Dialogue) -> list[int]:
        """Where answers begin. A thinking dialogue shows thoughts after its last question only,
        so only the answers there count."""
        size = len(self._header)
        starts = [i + size for i in range(len(ids)) if ids[i : i + size] == self._header]
        if not dialogue.thinking:
            return starts
        roles = [message.role for message in reversed(dialogue.messages)]
        return starts[-roles[: roles.index("user")].count("assistant") :]


def batches(
    mix: Mix, encoder: Encoder, copying: float, long: float, tokens: int, pool: int = 768
) -> Iterator[Batch]:
    """One pool of dialogues, sorted by length, in batches of about `tokens`, in random order."""
    samples = sorted((encoder(mix.draw(copying, long)) for _ in range(pool)),
                     key=lambda sample: len(sample.ids))  # fmt: skip
    groups: list[list[Sample]] = [[]]
    for sample in samples:
        if (len(groups[-1]) + 1) * len(sample.ids) > tokens and groups[-1]:
            groups.append([])
        groups[-1].append(sample)
    Random(mix.rng.random()).shuffle(groups)
    return (pad(group, encoder.pad) for group in groups)


def pad(group: list[Sample], padding: int) -> Batch:
    length = max(len(sample.ids) for sample in group)
    ids = torch.full((len(group), length), padding)
    wanted = torch.zeros((len(group), length), dtype=torch.bool)
    for row, sample in enumerate(group):
        ids[row, : len(sample.ids)] = torch.tensor(sample.ids)
        wanted[row, : len(sample.wanted)] = torch.tensor(sample.wanted)
    return Batch(ids, wanted)
