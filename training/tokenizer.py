"""The byte-level BPE tokenizer, trained on the generator's own dialogues.

A word is tokenized alike after a space, after a quote and at the start of a line, because spaces
and punctuation never join a word, except before a few function words. Copying is then a plain
match of tokens. Digits and line ends stand alone.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from random import Random

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

from training import template
from training.mix import Mix

VOCABULARY = 768
POSITIONS = 4096
SEED = 5
DIALOGUES = 12000

END_OF_TEXT, START_OF_TURN, END_OF_TURN = SPECIAL = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
MARKERS = ("<think>", "</think>", "<tool_call>", "</tool_call>")

_WITH_SPACE = (
    "a about am and are at can do for from have how I in is it me my not of on one or that the "
    "this to was what with you your"
).replace(" ", "|")
PATTERN = (
    rf" (?:{_WITH_SPACE})(?!\p{{L}})|\n|\p{{L}}+|\p{{N}}|\p{{So}}|[.?!]+ ?"
    r"|[^\p{L}\p{N}\p{So}\n.?!]+"
)


def _texts() -> Iterator[str]:
    mix = Mix(Random(SEED))
    return (template.render(mix.draw(copying=0.5)) for _ in range(DIALOGUES))


def byte_level(pattern: str) -> Tokenizer:
    """An untrained tokenizer of bytes, whose merges stay inside of what `pattern` matches."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Split(Regex(pattern), "isolated"),
        pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
    ])  # fmt: skip
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer


def train() -> Tokenizer:
    """Train on freshly generated dialogues; the same seed gives the same vocabulary."""
    tokenizer = byte_level(PATTERN)
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY - len(MARKERS),
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        special_tokens=list(SPECIAL),
        show_progress=False,
    )
    tokenizer.train_from_iterator(_texts(), trainer)
    tokenizer.add_tokens([AddedToken(text, special=False, normalized=False) for text in MARKERS])
    assert tokenizer.get_vocab_size() == VOCABULARY
    return tokenizer


def wrap(tokenizer: Tokenizer) -> PreTrainedTokenizerFast:
    """The tokenizer as transformers knows it, with the chat template."""
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        eos_token=END_OF_TURN,
        pad_token=END_OF_TEXT,
        additional_special_tokens=[START_OF_TURN],
        model_max_length=POSITIONS,
        clean_up_tokenization_spaces=False,
        chat_template=template.SOURCE,
    )


def save(tokenizer: Tokenizer, folder: Path) -> None:
    """Write `tokenizer.json` and `tokenizer_config.json`, the chat template inside the latter."""
    wrap(tokenizer).save_pretrained(folder, save_jinja_files=False)
    path = folder / "tokenizer_config.json"
    config = json.loads(path.read_text(encoding="utf-8"))
    assert config["chat_template"] == template.SOURCE
    config["tokenizer_class"] = "PreTrainedTokenizerFast"  # what every version knows
    config.pop("backend", None)
    path.write_text(json.dumps(config, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
