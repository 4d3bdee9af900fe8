"""Exports a checkpoint to OpenVINO: the model in 16 bits, the tokenizer and the detokenizer."""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer
from transformers import GenerationConfig, LlamaConfig, LlamaForCausalLM

from training import tokenizer as vocabulary
from training.model import Shape

STARTS = ("openvino_", "config.json", "generation_config.json", "tokenizer")


def configuration(shape: Shape, tokenizer: Tokenizer) -> LlamaConfig:
    """The shape in transformers' words."""
    return LlamaConfig(
        vocab_size=shape.vocab,
        hidden_size=shape.hidden,
        intermediate_size=shape.mlp,
        num_hidden_layers=shape.layers,
        num_attention_heads=shape.heads,
        num_key_value_heads=shape.kv_heads,
        head_dim=shape.head,
        max_position_embeddings=shape.positions,
        rope_parameters={"rope_type": "default", "rope_theta": shape.rope_theta},
        rms_norm_eps=1e-5,
        tie_word_embeddings=True,
        bos_token_id=None,
        eos_token_id=tokenizer.token_to_id(vocabulary.END_OF_TURN),
        pad_token_id=tokenizer.token_to_id(vocabulary.END_OF_TEXT),
    )


def as_llama(checkpoint: Path, tokenizer: Tokenizer) -> LlamaForCausalLM:
    """The checkpoint's weights in transformers' model."""
    state: dict[str, Any] = torch.load(checkpoint, weights_only=True)
    model = LlamaForCausalLM(configuration(Shape(**state["shape"]), tokenizer))
    model.model.load_state_dict(state["model"])
    model.tie_weights()
    model.generation_config = GenerationConfig(
        do_sample=False,
        eos_token_id=model.config.eos_token_id,
        pad_token_id=model.config.pad_token_id,
    )
    return model


def convert(source: Path, target: Path) -> None:
    """Convert a folder in transformers' layout to a stateful model in 16 bits."""
    from optimum.exporters.openvino import main_export
    from optimum.intel import OVConfig

    main_export(str(source), str(target), task="text-generation-with-past",
                ov_config=OVConfig(dtype="fp16"))  # fmt: skip


def convert_tokenizer(tokenizer: Tokenizer, target: Path) -> None:
    """Write the tokenizer and the detokenizer as OpenVINO models."""
    import openvino
    import openvino_tokenizers

    models = openvino_tokenizers.convert_tokenizer(
        vocabulary.wrap(tokenizer), with_detokenizer=True, skip_special_tokens=True
    )
    for model, name in zip(models, ("tokenizer", "detokenizer"), strict=True):
        openvino.save_model(model, target / f"openvino_{name}.xml")


def export(folder: Path, target: Path) -> None:
    """From the training's folder to the layout that the server reads."""
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    target.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent) as name:
        source, converted = Path(name, "llama"), Path(name, "openvino")
        as_llama(folder / "checkpoint.pt", tokenizer).save_pretrained(source)
        convert(source, converted)
        convert_tokenizer(tokenizer, converted)
        vocabulary.save(tokenizer, converted)
        _tidy(converted / "config.json")
        for file in converted.iterdir():
            if file.name.startswith(STARTS):
                file.replace(target / file.name)  # a server may have the old one mapped


def _tidy(path: Path) -> None:
    """Keep the file as transformers wrote it, with a line end."""
    path.write_text(json.dumps(json.loads(path.read_text()), indent=2) + "\n")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="the training's folder, with checkpoint.pt")
    parser.add_argument("target", type=Path, help="the model's folder")
    arguments = parser.parse_args()
    export(arguments.folder, arguments.target)
