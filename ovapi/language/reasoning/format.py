"""ReasoningFormat: between which markers a family writes its thought."""

from __future__ import annotations

from dataclasses import dataclass

_LONGEST_END = 256  # characters of a prompt that are looked at


@dataclass(frozen=True, slots=True)
class ReasoningFormat:
    """The first of each is the usual one. Line breaks next to the markers are none of the thought.

    Thought begins where an answer could: at the beginning, after other thought, after a call; with
    `anywhere` in the middle of text as well. `hidden` markers show in neither. `inner` are markers
    that a prompt may have after the opener.
    """

    openers: tuple[str, ...]
    closers: tuple[str, ...]
    anywhere: bool = False
    hidden: tuple[str, ...] = ()
    inner: tuple[str, ...] = ()

    def opened_by(self, prompt: str) -> bool:
        """Does the rendered prompt end within thought that it has opened itself?"""
        end = prompt[-_LONGEST_END:].rstrip()
        for marker in self.inner:
            end = end.removesuffix(marker).rstrip()
        return end.endswith(tuple(opener.rstrip() for opener in self.openers))

    def shown_by(self, template: str) -> bool:
        """Does a chat template know this way of thinking?"""
        return any(marker.strip() in template for marker in (*self.openers, *self.closers))


FORMATS = {
    "think": ReasoningFormat(("<think>",), ("</think>",)),
    "seed": ReasoningFormat(
        ("<seed:think>",), ("</seed:think>",), inner=("<seed:cot_budget_reflect>",)
    ),
    "mistral": ReasoningFormat(("[THINK]",), ("[/THINK]",), anywhere=True),
    "gemma": ReasoningFormat(("<|channel>thought\n",), ("<channel|>",), anywhere=True),
    "command-r7b": ReasoningFormat(
        ("<|START_THINKING|>",),
        ("<|END_THINKING|>",),
        anywhere=True,
        hidden=("<|START_RESPONSE|>", "<|END_RESPONSE|>"),
    ),
    "minicpm3": ReasoningFormat(("<|thought_start|>",), ("<|thought_end|>",)),
    "granite": ReasoningFormat(
        ("Here is my thought process:", "Here's my thought process:"),
        ("Here is my response:", "Here's my response:"),
    ),
    "apriel": ReasoningFormat(
        ("Here are my reasoning steps:",),
        ("[BEGIN FINAL RESPONSE]",),
        hidden=("[END FINAL RESPONSE]",),
    ),
}
"""By the names that the configuration knows them by."""
