"""LoRA: small matrices beside the frozen ones, and the file that holds them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from torch import Tensor, nn

from training.model import Llama, Shape

TARGETS = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
PREFIX = "base_model.model.model."
"""What PEFT puts before the names of a causal language model's layers."""


class LoraLinear(nn.Module):
    """A frozen matrix W with trainable A [rank, in] and B [out, rank]: x (W + B A)ᵀ."""

    def __init__(self, frozen: nn.Linear, rank: int) -> None:
        super().__init__()
        self.frozen = frozen
        self.lora_A = nn.Parameter(torch.randn(rank, frozen.in_features) / rank)
        self.lora_B = nn.Parameter(torch.zeros(frozen.out_features, rank))

    def forward(self, x: Tensor) -> Tensor:
        change: Tensor = F.linear(F.linear(x, self.lora_A), self.lora_B)
        return self.frozen(x) + change


def read_model(folder: Path) -> Llama:
    """The weights of an exported model (see `training.export`), so that no checkpoint is needed."""
    import openvino

    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    shape = Shape(
        vocab=config["vocab_size"], hidden=config["hidden_size"],
        layers=config["num_hidden_layers"], mlp=config["intermediate_size"],
    )  # fmt: skip
    model = Llama(shape)
    exported = openvino.Core().read_model(folder / "openvino_model.xml")
    found = dict(filter(None, map(_weight, exported.get_ops())))
    state = model.state_dict()
    model.load_state_dict({name: found[name].view_as(state[name]) for name in state})
    return model


def _weight(node: Any) -> tuple[str, Tensor] | None:
    """The torch name and the values of a constant, if it is a weight.

    Matrices carry their own names, norms those of the operators that use them.
    """
    if node.get_type_name() != "Constant" or node.data.dtype != "float16":
        return None
    name = node.get_friendly_name().removesuffix("_compressed").removeprefix("self.model.")
    if name.startswith("Constant_"):
        name = _user(_user(node)).get_friendly_name()
        name = name.split("/")[0].removeprefix("__module.model.") + ".weight"
    return name, torch.tensor(node.data).float()


def _user(node: Any) -> Any:
    (target,) = node.output(0).get_target_inputs()
    return target.get_node()


def attach(model: Llama, rank: int) -> list[nn.Parameter]:
    """Freeze the model, put LoRA beside its matrices and return what is to be trained."""
    model.requires_grad_(False)
    for layer in model.layers:
        for block in (layer.self_attn, layer.mlp):
            for name in TARGETS:
                if hasattr(block, name):
                    setattr(block, name, LoraLinear(getattr(block, name), rank))
    return [parameter for parameter in model.parameters() if parameter.requires_grad]


def save(model: Llama, folder: Path, rank: int) -> None:
    """Write what PEFT writes: adapter_model.safetensors in 16 bits, and adapter_config.json."""
    folder.mkdir(parents=True, exist_ok=True)
    partial = folder / "adapter_model.partial"
    save_file(dict(_tensors(model)), partial, metadata={"format": "pt"})
    partial.chmod(0o644)  # safetensors makes it for the owner alone
    partial.replace(folder / "adapter_model.safetensors")
    config = {
        "base_model_name_or_path": "ovapi-demo",
        "bias": "none",
        "lora_alpha": rank,
        "lora_dropout": 0.0,
        "peft_type": "LORA",
        "r": rank,
        "target_modules": list(TARGETS),
        "task_type": "CAUSAL_LM",
    }
    (folder / "adapter_config.json").write_text(json.dumps(config, indent=2) + "\n")


def _tensors(model: Llama) -> Iterator[tuple[str, Tensor]]:
    for name, module in model.named_modules():
        if isinstance(module, LoraLinear):
            yield f"{PREFIX}{name}.lora_A.weight", module.lora_A.detach().half().contiguous()
            yield f"{PREFIX}{name}.lora_B.weight", module.lora_B.detach().half().contiguous()
