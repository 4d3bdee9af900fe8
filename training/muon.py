"""Muon for the weight matrices, AdamW for the embedding and the norms.

Muon makes each matrix's momentum nearly orthogonal before it is applied (Jordan et al., 2024),
scaled so that its steps are as large as AdamW's (Liu et al., 2025). It needs about half the tokens.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn


def orthogonal(matrix: Tensor, steps: int = 5) -> Tensor:
    """The nearest semi-orthogonal matrix, approximately, by Newton-Schulz iteration."""
    a, b, c = 3.4445, -4.7750, 2.0315
    tall = matrix.shape[0] > matrix.shape[1]
    x = (matrix.T if tall else matrix) / (matrix.norm() + 1e-7)
    for _ in range(steps):
        square = x @ x.T
        x = a * x + (b * square + c * square @ square) @ x
    return x.T if tall else x


class Muon(torch.optim.Optimizer):
    def __init__(self, matrices: list[nn.Parameter], lr: float, decay: float) -> None:
        super().__init__(matrices, {"lr": lr, "momentum": 0.95, "decay": decay})

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:
        for group in self.param_groups:
            for matrix in group["params"]:
                self._update(matrix, group["lr"], group["momentum"], group["decay"])

    def _update(self, matrix: nn.Parameter, lr: float, momentum: float, decay: float) -> None:
        assert matrix.grad is not None
        mean = self.state[matrix].setdefault("mean", torch.zeros_like(matrix))
        mean.lerp_(matrix.grad, 1 - momentum)
        update = orthogonal(matrix.grad.lerp(mean, momentum))
        matrix.mul_(1 - lr * decay)
        matrix.add_(update, alpha=-lr * 0.2 * max(matrix.shape) ** 0.5)


def optimizers(model: nn.Module, lr: float) -> list[torch.optim.Optimizer]:
    """One for the matrices inside the layers, one for all else."""
    matrices, others = [], []
    for name, parameter in model.named_parameters():
        inner = parameter.ndim == 2 and "embed" not in name
        (matrices if inner else others).append(parameter)
    return [
        Muon(matrices, lr=lr, decay=0.05),
        torch.optim.AdamW(others, lr=lr, betas=(0.9, 0.98), weight_decay=0.0, fused=True),
    ]
