"""Workloads: what is asked, as a number of streams, lengths and seeded random words."""

from __future__ import annotations

import sysconfig
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from random import Random
from typing import Any, Literal

Kind = Literal["fixed", "shared-prefix", "multi-turn", "copying"]

_TEXT = """
the of and to in that is was he for it with as his on be at by had not are but from or have
an they which one you were her all she there would their we him been has when who will more
no if out so said what up its about into than them can only other new some could time these
two may then do first any my now such like our over man me even most made after also did many
before must through back years where much your way well down should because each just those
people how too little state good very make world still own see men work long get here between
"""
WORDS = _TEXT.split()

BEGUN_WORDS = 12
"""Of a copy, more than a model needs to see what it is a copy of."""


@dataclass(frozen=True, slots=True)
class Workload:
    """`prompt_words` for each request, after `prefix_words` that are the same in all of them.

    `output_tokens` are generated whatever the model wants. In a conversation of `turns` the first
    message has `prefix_words` more than the others, and they are its own. To copy there is a piece
    of Python of `prompt_words`, and its beginning once more.
    """

    kind: Kind = "fixed"
    prompt_words: int = 128
    output_tokens: int = 64
    prefix_words: int = 0
    turns: int = 1
    seed: int = 0

    def prompt(self, number: int) -> str:
        """The text of request `number`, unlike any other's after the prefix."""
        if self.kind == "copying":
            return _begun_again(f"{self.seed} {number}", self.prompt_words)
        own = _words(f"{self.seed} {number}", self.prompt_words)
        shared = _words(f"prefix {self.seed}", self.prefix_words)
        return f"{shared} {own}" if shared else own

    def message(self, number: int, turn: int) -> str:
        """What the user says in that turn of conversation `number`."""
        words = self.prompt_words + (0 if turn else self.prefix_words)
        return _words(f"{self.seed} {number} {turn}", words)


@dataclass(frozen=True, slots=True)
class Run:
    """A closed loop of single requests, `requests` of them, `streams` at a time."""

    workload: Workload
    streams: int
    requests: int = 0


def _words(seed: str, count: int) -> str:
    return " ".join(Random(seed).choices(WORDS, k=count))


@cache
def _source() -> list[str]:
    """The lines of Python's own library on this machine."""
    paths = sorted(Path(sysconfig.get_path("stdlib")).glob("*.py"))
    return "".join(path.read_text("utf-8") for path in paths).splitlines(keepends=True)


def _begun_again(seed: str, words: int) -> str:
    source = _source()
    start = Random(seed).randrange(len(source) // 2)
    piece, begun = (
        "".join(source[start : _end(source, start, wanted)]) for wanted in (words, BEGUN_WORDS)
    )
    return f"{piece}\n\nThe same again:\n{begun}"


def _end(source: list[str], start: int, words: int) -> int:
    """Behind so many lines from `start` as hold at least so many words."""
    for number in range(start, len(source)):
        words -= len(source[number].split())
        if words <= 0:
            return number + 1
    return len(source)


@dataclass(frozen=True, slots=True)
class Dialect:
    """How a request is put: `chat` or plain completions of a text."""

    model: str
    chat: bool = False

    @property
    def path(self) -> str:
        return "/v1/chat/completions" if self.chat else "/v1/completions"

    def body(self, prompt: str | list[dict[str, str]], output_tokens: int) -> dict[str, Any]:
        """`prompt` is a text, or for chat the messages."""
        if self.chat and isinstance(prompt, str):
            prompt = [{"role": "user", "content": prompt}]
        return {
            "model": self.model,
            "messages" if self.chat else "prompt": prompt,
            "max_tokens": output_tokens,
            "temperature": 0,
            "ignore_eos": True,
            "stream": True,
            "stream_options": {"include_usage": True},
        }
