"""Weights that copy: a model of real size that goes on with a text as it went on the last time.

What guessing ahead gains depends on how often the guesses are right, and a model of random weights
says nothing that anybody could guess. Here the first three of its layers are made by hand into what
trained models have too, an induction head: each token looks for the place where the nine tokens
before it have been before, and says what came then. All other layers keep their random weights and
say so little that it changes nothing: each step costs what it costs in the model of that shape.

The stream of 896 numbers that the layers pass on is divided: the token itself, and blocks of 64,
each a note of an earlier place. Layer 0 notes the two tokens before. With them layer 1 knows three
tokens in a row, and notes which three there were some places before. Layer 2 compares: if the nine
tokens up to here are those before an earlier place, it adds the token of that place.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

THETA = 1e12
"""The base of the rotary positions: a few fast pairs of numbers for distances, and most so slow
that a comparison over thousands of tokens does not notice them."""
HIDDEN, HEAD, HEADS_A_GROUP = 896, 64, 7
FAST, FIRST_SLOW = 7, 9
SHARPNESS = 240.0  # of looking at one distance: the product of each pair, before the root of 64
GAIN, LOUDNESS, WHISPER = 1.6, 30.0, 0.02

TWO_BEFORE = {1: 0, 2: 1}
"""By distance: the block of layer 0's note."""
NOTED = {1: 2, 4: 3, 7: 4, 3: 5, 6: 6}
"""By distance: the block of layer 1's note. The first three are what came before a place, and are
compared with the three that end here, three places and six places before."""
OWN = HIDDEN - HEAD * (len(TWO_BEFORE) + len(NOTED))
"""The numbers for the token itself."""


def block(number: int) -> slice:
    return slice(OWN + HEAD * number, OWN + HEAD * (number + 1))


def noise(*shape: int) -> Tensor:
    """Random, and as long as what it is multiplied with, on average."""
    return torch.randn(*shape) / float(shape[-1]) ** 0.5


def look_back(attention: Any, note: Tensor, blocks: dict[int, int]) -> None:
    """Let a head for each distance look at the token so far before, and write `note` of it."""
    angles = THETA ** (-2 * torch.arange(FAST) / HEAD)
    strength = SHARPNESS**0.5
    attention.v_proj.weight[:HEAD] = note
    attention.k_proj.weight[:HEAD] = 0
    attention.k_proj.bias[:FAST] = strength
    for head, (distance, number) in enumerate(blocks.items()):
        at = HEAD * head
        attention.q_proj.weight[at : at + HEAD] = 0
        attention.q_proj.bias[at : at + FAST] = strength * (-distance * angles).cos()
        half = at + HEAD // 2
        attention.q_proj.bias[half : half + FAST] = strength * (-distance * angles).sin()
        attention.o_proj.weight[:, at : at + HEAD] = 0
        attention.o_proj.weight[block(number), at : at + HEAD] = torch.eye(HEAD)


def compare_and_copy(attention: Any, three: Tensor, group: int) -> None:
    """Let one head of a group find what the last nine tokens led to, and say it."""
    slow = torch.arange(FIRST_SLOW, HEAD // 2)
    slow = torch.cat([slow, slow + HEAD // 2])
    query, key = torch.zeros(HEAD, HIDDEN), torch.zeros(HEAD, HIDDEN)
    parts = slow[torch.randperm(len(slow))].chunk(3)
    for part, before, here in zip(parts, (1, 4, 7), (0, 3, 6), strict=True):
        code = GAIN * torch.randn(len(part), HEAD) / len(part) ** 0.5
        key[part, block(NOTED[before])] = code
        if here:
            query[part, block(NOTED[here])] = code
        else:
            query[part] = code @ three
    own, asked = HEAD * group, HEAD * HEADS_A_GROUP * group
    seen = noise(HEAD, OWN)
    attention.k_proj.weight[own : own + HEAD] = key
    attention.q_proj.weight[asked : asked + HEAD] = query
    attention.v_proj.weight[own : own + HEAD] = 0
    attention.v_proj.weight[own : own + HEAD, :OWN] = seen
    attention.o_proj.weight[:, asked : asked + HEAD] = 0
    attention.o_proj.weight[:OWN, asked : asked + HEAD] = LOUDNESS * seen.T


@torch.no_grad()
def make_copier(model: Any) -> None:
    """Change a random Qwen2ForCausalLM of the 0.5B's shape, with `THETA` for its positions."""
    layers = model.model.layers
    for layer in layers:
        layer.self_attn.o_proj.weight *= WHISPER
        layer.mlp.down_proj.weight *= WHISPER
    tokens = model.model.embed_tokens.weight
    tokens.zero_()
    tokens[:, :OWN] = noise(len(tokens), OWN) * float(HIDDEN) ** 0.5
    one, three = torch.zeros(HEAD, HIDDEN), torch.zeros(HEAD, HIDDEN)
    one[:, :OWN] = noise(HEAD, OWN)
    three[:, :OWN] = noise(HEAD, HEAD) @ one[:, :OWN]
    for number in TWO_BEFORE.values():
        three[:, block(number)] = noise(HEAD, HEAD)
    look_back(layers[0].self_attn, one, TWO_BEFORE)
    look_back(layers[1].self_attn, three, NOTED)
    for group in range(2):
        compare_and_copy(layers[2].self_attn, three, group)
