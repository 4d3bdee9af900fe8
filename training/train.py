"""Trains the model from scratch; resumes from its checkpoint if there is one."""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from random import Random
from typing import Any

import torch
import torch.nn.functional as F
from tokenizers import Tokenizer

from training import lora
from training.grow import grown
from training.mix import Mix
from training.model import Llama, Shape
from training.muon import optimizers
from training.samples import Batch, Encoder, batches


@dataclass(frozen=True)
class Plan:
    """The whole course of a training; `tokens` is the size of a batch, padding included."""

    steps: int = 3500
    tokens: int = 4096
    rate: float = 3e-3
    warmup: int = 100
    decay: float = 0.35
    seed: int = 1
    blend: int = 1750
    copying: tuple[float, float] = (0.7, 0.4)
    long: tuple[float, float] = (0.003, 0.025)

    def rate_at(self, step: int) -> float:
        """Warm-up, a plateau, then a straight fall to nothing over the last `decay` of all."""
        left = (self.steps - step) / (self.decay * self.steps)
        return self.rate * max(0.0, min(1.0, (step + 1) / self.warmup, left))

    def share_at(self, ends: tuple[float, float], step: int) -> float:
        """A share that moves from one end to the other over the first `blend` steps."""
        return ends[0] + (ends[1] - ends[0]) * min(1.0, step / self.blend)


class Training:
    """The model, its optimizers and the position in the plan: all that a checkpoint holds."""

    def __init__(self, plan: Plan, tokenizer: Tokenizer, folder: Path) -> None:
        torch.manual_seed(plan.seed)
        self.plan = plan
        self.encoder = Encoder(tokenizer)
        self.folder = folder
        self.begin(Llama(Shape(vocab=tokenizer.get_vocab_size())))
        self.step = 0
        self.seconds = 0.0

    def begin(self, model: Llama) -> None:
        """Train this model, with optimizers that know nothing of it yet."""
        self.model = model
        self.optimizers = optimizers(model, self.plan.rate)
        for layer in model.layers:
            layer.compile(dynamic=True)

    @property
    def checkpoint(self) -> Path:
        return self.folder / "checkpoint.pt"

    def resume(self) -> None:
        if not self.checkpoint.exists():
            return
        state: dict[str, Any] = torch.load(self.checkpoint, weights_only=True)
        self.model.load_state_dict(state["model"])
        for optimizer, saved in zip(self.optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(saved)
        self.step, self.seconds = state["step"], state["seconds"]

    def save(self) -> None:
        state = {
            "model": self.model.state_dict(),
            "shape": asdict(self.model.shape),
            "optimizers": [optimizer.state_dict() for optimizer in self.optimizers],
            "step": self.step,
            "seconds": self.seconds,
        }
        partial = self.checkpoint.with_suffix(".partial")
        torch.save(state, partial)
        partial.replace(self.checkpoint)

    def _batches(self) -> Iterator[Batch]:
        """Batches without end; each pool is seeded by the step at which it begins."""
        plan = self.plan
        while True:
            mix = Mix(Random(f"{plan.seed}/{self.step}"))
            copying = plan.share_at(plan.copying, self.step)
            long = plan.share_at(plan.long, self.step)
            yield from batches(mix, self.encoder, copying, long, plan.tokens)

    def run(self) -> None:
        """Train to the end; a line and a checkpoint every hundred steps, and at the last."""
        started, losses = time.monotonic() - self.seconds, []
        for batch in self._batches():
            if self.step >= self.plan.steps:
                return
            losses.append(self._learn(batch))
            self.step += 1
            if self.step % 100 == 0 or self.step == self.plan.steps:
                self.seconds = time.monotonic() - started
                self._report(sum(losses) / len(losses))
                losses.clear()
                self.save()

    def _learn(self, batch: Batch) -> float:
        for optimizer in self.optimizers:
            for group in optimizer.param_groups:
                group["lr"] = self.plan.rate_at(self.step)
        hidden = self.model(batch.ids[:, :-1])
        wanted = batch.wanted[:, 1:]
        loss = F.cross_entropy(self.model.logits(hidden[wanted]), batch.ids[:, 1:][wanted])
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        for optimizer in self.optimizers:
            optimizer.step()
            optimizer.zero_grad()
        return loss.item()

    def _report(self, loss: float) -> None:
        line = {"step": self.step, "loss": round(loss, 4), "minutes": round(self.seconds / 60, 1)}
        print(json.dumps(line), flush=True)


def main(folder: Path, steps: int, grow: Path | None = None) -> None:
    """Train from scratch, or from the exported model `grow`: then copying is known already."""
    torch.set_flush_denormal(True)
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    plan = Plan(steps=steps) if grow is None else Plan(steps=steps, blend=1, seed=2, decay=0.5)
    training = Training(plan, tokenizer, folder)
    if grow is not None:
        training.begin(grown(lora.read_model(grow), training.model.shape))
    training.resume()
    training.run()
    training.save()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--steps", type=int, default=Plan.steps)
    parser.add_argument("--grow", type=Path, help="an exported model to begin with")
    arguments = parser.parse_args()
    main(arguments.folder, arguments.steps, arguments.grow)
