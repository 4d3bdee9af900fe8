"""Makes a model to measure with: random weights in the shape of Qwen2.5-0.5B, exported to OpenVINO.

    python -m bench.model [int4 int8 fp16]
    python -m bench.model --copier [int4 int8 fp16]

It answers nonsense at the speed of the real one; the copier repeats what it has read (see
`bench.copier`). It needs the packages of the extra `train`; what it makes is kept outside the
repository (`--cache`), and what is there already is not made again.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

from bench.words import texts

CACHE = Path(os.environ.get("OVAPI_BENCH_CACHE", "~/.cache/ovapi-bench")).expanduser()
NAME, COPIER = "qwen2.5-0.5b-random", "qwen2.5-0.5b-copier"
WEIGHTS = ("int4", "int8", "fp16")

VOCABULARY = 151_936
END_OF_TEXT, START_OF_TURN, END_OF_TURN = SPECIAL = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
SHAPE = {
    "hidden_size": 896,
    "num_hidden_layers": 24,
    "num_attention_heads": 14,
    "num_key_value_heads": 2,
    "intermediate_size": 4864,
    "vocab_size": VOCABULARY,
    "tie_word_embeddings": True,
    "max_position_embeddings": 32_768,
    "rms_norm_eps": 1e-6,
}
PATTERN = (  # that of Qwen2
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)
CHATML = (
    "{%- for message in messages -%}"
    "{{- '<|im_start|>' ~ message.role ~ '\n' ~ message.content ~ '<|im_end|>\n' -}}"
    "{%- endfor -%}"
    "{%- if add_generation_prompt -%}{{- '<|im_start|>assistant\n' -}}{%- endif -%}"
)


def folder(weights: str, cache: Path = CACHE, name: str = NAME) -> Path:
    """Where the model with those weights is, or will be."""
    return cache / f"{name}-{weights}"


def train_tokenizer() -> Any:
    """A byte-level BPE tokenizer of Qwen2's kind; as many merges as the texts give."""
    from tokenizers import pre_tokenizers, trainers

    from training.tokenizer import byte_level

    tokenizer = byte_level(PATTERN)
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY - len(SPECIAL),
        min_frequency=2,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
    )
    tokenizer.train_from_iterator(texts(), trainer)
    return _padded(tokenizer)


def _padded(tokenizer: Any) -> Any:
    """Fill the vocabulary with words that no merge leads to, the special tokens last."""
    from tokenizers import Tokenizer

    state = json.loads(tokenizer.to_str())
    vocabulary = state["model"]["vocab"]
    for number in range(len(vocabulary), VOCABULARY - len(SPECIAL)):
        vocabulary[f"\u0120spare{number}"] = number
    padded = Tokenizer.from_str(json.dumps(state))
    padded.add_special_tokens(list(SPECIAL))
    assert padded.get_vocab_size() == VOCABULARY
    return padded


def save_tokenizer(tokenizer: Any, target: Path) -> None:
    """As transformers keeps it and as OpenVINO models."""
    import openvino
    import openvino_tokenizers
    from transformers import PreTrainedTokenizerFast

    wrapped = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        eos_token=END_OF_TURN,
        pad_token=END_OF_TEXT,
        additional_special_tokens=[START_OF_TURN],
        model_max_length=SHAPE["max_position_embeddings"],
        clean_up_tokenization_spaces=False,
        chat_template=CHATML,
    )
    wrapped.save_pretrained(target, save_jinja_files=False)
    pair = openvino_tokenizers.convert_tokenizer(
        wrapped, with_detokenizer=True, skip_special_tokens=True
    )
    for model, name in zip(pair, ("tokenizer", "detokenizer"), strict=True):
        openvino.save_model(model, target / f"openvino_{name}.xml")


def save_weights(name: str, tokenizer: Any, target: Path) -> None:
    """In transformers' layout; the same weights each time."""
    import torch
    from transformers import GenerationConfig, Qwen2Config, Qwen2ForCausalLM

    from bench import copier

    torch.manual_seed(5)
    ends = {
        "eos_token_id": tokenizer.token_to_id(END_OF_TURN),
        "pad_token_id": tokenizer.token_to_id(END_OF_TEXT),
    }
    config = Qwen2Config(**SHAPE, **ends, bos_token_id=None)
    if name == COPIER:
        config.rope_parameters["rope_theta"] = copier.THETA
    model = Qwen2ForCausalLM(config)
    if name == COPIER:
        copier.make_copier(model)
    model.generation_config = GenerationConfig(do_sample=False, **ends)
    model.to(torch.float16).save_pretrained(target)


def make_16_bits(name: str, target: Path) -> None:
    from training.export import convert

    tokenizer = train_tokenizer()
    with tempfile.TemporaryDirectory(dir=target.parent) as scratch:
        source, converted = Path(scratch, "source"), Path(scratch, "converted")
        save_weights(name, tokenizer, source)
        convert(source, converted)
        save_tokenizer(tokenizer, converted)
        converted.rename(target)


def compress(source: Path, target: Path, weights: str) -> None:
    """int4: symmetric, groups of 128; embeddings and the last layer, as usual, in 8 bits."""
    import nncf
    import openvino

    modes = nncf.CompressWeightsMode
    options = {"mode": modes.INT4_SYM, "group_size": 128, "ratio": 1.0}
    model = openvino.Core().read_model(source / "openvino_model.xml")
    model = nncf.compress_weights(
        model, **(options if weights == "int4" else {"mode": modes.INT8_ASYM})
    )
    with tempfile.TemporaryDirectory(dir=target.parent) as name:
        made = Path(name, "made")
        shutil.copytree(source, made, ignore=shutil.ignore_patterns("openvino_model.*"))
        openvino.save_model(model, made / "openvino_model.xml", compress_to_fp16=False)
        made.rename(target)


def make(weights: str, cache: Path = CACHE, name: str = NAME) -> Path:
    """The folder of the model with those weights, made if it is not there."""
    cache.mkdir(parents=True, exist_ok=True)
    source, target = folder("fp16", cache, name), folder(weights, cache, name)
    if not source.exists():
        make_16_bits(name, source)
    if not target.exists():
        compress(source, target, weights)
    return target


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("weights", nargs="*", default=["int4"], help=" ".join(WEIGHTS))
    parser.add_argument("--copier", action="store_true", help="the model that copies")
    parser.add_argument("--cache", type=Path, default=CACHE)
    parser.add_argument("--check", action="store_true", help="only whether they are there")
    given = parser.parse_args()
    if unknown := set(given.weights) - set(WEIGHTS):
        parser.error(f"there are no weights {unknown}")
    name = COPIER if given.copier else NAME
    if given.check:
        sys.exit(not all(folder(kind, given.cache, name).exists() for kind in given.weights))
    for kind in given.weights:
        print(make(kind, given.cache, name))
