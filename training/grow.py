"""A larger model that begins with what a smaller one has learned.

New layers and new units of the feed-forward blocks write nothing at first, since the matrices by
which they write are zero: the larger model answers as the smaller one did, and trains from there.
"""

from __future__ import annotations

import torch

from training.model import Llama, Shape


@torch.no_grad()
def grown(small: Llama, shape: Shape) -> Llama:
    """A model of `shape`, with as many layers as `small` or more, and as wide or wider blocks.

    The new layers are copies of the middle one, put behind it.
    """
    model = Llama(shape)
    model.embed_tokens.load_state_dict(small.embed_tokens.state_dict())
    model.norm.load_state_dict(small.norm.state_dict())
    middle, added = len(small.layers) // 2, shape.layers - len(small.layers)
    for i, layer in enumerate(model.layers):
        source = i if i < middle else max(middle - 1, i - added)
        state, width = layer.state_dict(), small.shape.mlp
        for name, values in small.layers[source].state_dict().items():
            if name.endswith("down_proj.weight"):
                state[name].zero_()[:, :width] = values
            else:
                state[name][: len(values)] = values
        if middle <= i < middle + added:
            state["mlp.down_proj.weight"].zero_()
            state["self_attn.o_proj.weight"].zero_()
        layer.load_state_dict(state)
    return model
