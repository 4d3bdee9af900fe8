"""Trains the pirate: a LoRA adapter for the built-in model, from the model's exported files."""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random

import torch
import torch.nn.functional as F
from tokenizers import Tokenizer

from training import lora, pirate
from training.mix import Dialogue, Mix
from training.model import Llama
from training.samples import Batch, Encoder, batches

MODEL = Path(__file__).parent.parent / "models" / "ovapi-demo"


@dataclass(frozen=True)
class Plan:
    """The course of the training; `tokens` is the size of a batch, padding included."""

    steps: int = 300
    tokens: int = 2048
    rate: float = 4e-3
    warmup: int = 20
    rank: int = 8
    copying: float = 0.25
    seed: int = 11

    def rate_at(self, step: int) -> float:
        """Warm-up, then a straight fall to nothing."""
        return self.rate * min((step + 1) / self.warmup, 1 - step / self.steps)


class PirateMix(Mix):
    """The model's own dialogues, half of them plain ones, with a pirate's answers."""

    def draw(self, copying: float, long: float = 0.0) -> Dialogue:
        if self.rng.random() < 0.5:
            return pirate.retell(super().draw(copying, long))
        scene = self._scene(thinking=False)
        self.plain(scene, copying)
        return pirate.retell(Dialogue(scene))


def _batches(plan: Plan, encoder: Encoder) -> Iterator[Batch]:
    mix = PirateMix(Random(plan.seed))
    while True:
        yield from batches(mix, encoder, plan.copying, 0.0, plan.tokens)


def train(model: Llama, encoder: Encoder, plan: Plan) -> None:
    """Train what `lora.attach` has put into the model; a line for every twentieth step."""
    parameters = lora.attach(model, plan.rank)
    optimizer = torch.optim.AdamW(parameters, plan.rate, weight_decay=0.0)
    started, losses = time.monotonic(), []
    for step, batch in zip(range(plan.steps), _batches(plan, encoder), strict=False):
        optimizer.param_groups[0]["lr"] = plan.rate_at(step)
        losses.append(_learn(model, batch, optimizer))
        if (step + 1) % 20 == 0:
            loss, minutes = sum(losses) / len(losses), (time.monotonic() - started) / 60
            line = {"step": step + 1, "loss": round(loss, 4), "minutes": round(minutes, 1)}
            print(json.dumps(line), flush=True)
            losses.clear()


def _learn(model: Llama, batch: Batch, optimizer: torch.optim.Optimizer) -> float:
    hidden = model(batch.ids[:, :-1])
    wanted = batch.wanted[:, 1:]
    loss = F.cross_entropy(model.logits(hidden[wanted]), batch.ids[:, 1:][wanted])
    loss.backward()
    optimizer.step()
    optimizer.zero_grad()
    return loss.item()


def main(source: Path, target: Path, plan: Plan) -> None:
    """Train on the model in `source` and write the adapter to `target`."""
    torch.manual_seed(plan.seed)
    torch.set_flush_denormal(True)
    model = lora.read_model(source)
    train(model, Encoder(Tokenizer.from_file(str(source / "tokenizer.json"))), plan)
    lora.save(model, target, plan.rank)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m training.adapter", description=__doc__)
    parser.add_argument("--model", type=Path, default=MODEL)
    parser.add_argument("--target", type=Path, default=MODEL / "adapters" / "pirate")
    parser.add_argument("--steps", type=int, default=Plan.steps)
    arguments = parser.parse_args()
    main(arguments.model, arguments.target, Plan(steps=arguments.steps))
