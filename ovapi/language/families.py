# ruff: noqa: RUF001 - the markers are what they are
"""Families: which models write calls and thought how, and how to tell from their template.

family = choose(template)                      # or named("hermes")
parser = family.parser(OfferedTools.of(tools), opened=family.opened_by(prompt))
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Literal

from ovapi.language.call_ids import IdForm
from ovapi.language.offered_tools import OfferedTools
from ovapi.language.parsing.channels import ChannelFormat
from ovapi.language.parsing.output_parser import OutputParser
from ovapi.language.reasoning.format import FORMATS as REASONING_FORMATS
from ovapi.language.tools.formats import FORMATS as TOOL_FORMATS

ArgumentForm = Literal["mapping", "text", "either"]


@dataclass(frozen=True, slots=True)
class Family:
    """`needles` all stand in its template. `tools` and `reasoning` name formats; "" is none.

    `arguments` is the form that the template takes a call's arguments in; a probe may know better.
    """

    name: str
    needles: tuple[str, ...]
    tools: str
    reasoning: str = "think"
    arguments: ArgumentForm = "mapping"
    ids: IdForm = IdForm.ANY

    def matches(self, template: str) -> bool:
        return all(needle in template for needle in self.needles)

    def fitted(self, template: str) -> Family:
        """Without reasoning if the template knows of none."""
        if self.reasoning and not REASONING_FORMATS[self.reasoning].shown_by(template):
            return replace(self, reasoning="")
        return self

    def opened_by(self, prompt: str) -> bool:
        """Has the rendered prompt begun what the answer goes on with: thought, or a header?"""
        format = TOOL_FORMATS.get(self.tools)
        if isinstance(format, ChannelFormat):
            return format.prompt_opens and prompt.endswith(format.openers)
        return bool(self.reasoning) and REASONING_FORMATS[self.reasoning].opened_by(prompt)

    def parser(
        self,
        tools: OfferedTools,
        opened: bool = False,
        hidden: tuple[str, ...] = (),
        new_id: Callable[[], str] | None = None,
    ) -> OutputParser:
        """A parser of one answer. Without tools nothing in the text is a call."""
        format = TOOL_FORMATS.get(self.tools)
        if not tools and not isinstance(format, ChannelFormat):
            format = None
        reasoning = REASONING_FORMATS.get(self.reasoning)
        return OutputParser(format, reasoning, tools, opened, hidden, new_id or self.ids.new)


FAMILIES = (
    Family("gpt-oss", ("<|channel|>",), "harmony", ""),
    Family("gemma4", ("<|tool_call>call:",), "gemma", "gemma"),
    Family("seed-oss", ("<seed:tool_call>",), "seed", "seed"),
    Family("qwen3-coder", ("<function=", "<parameter="), "qwen3-coder"),
    Family("minicpm5", ('<param name="',), "minicpm5"),
    Family("minimax-m2", ("<minimax:tool_call>",), "minimax"),
    Family("glm", ("<arg_key>",), "glm"),
    Family("deepseek-v3.2", ("｜DSML｜",), "deepseek-v3.2"),
    Family(
        "deepseek-r1", ("<｜tool▁calls▁begin｜>", "tool['type']"), "deepseek-r1", arguments="text"
    ),
    Family("deepseek-v3.1", ("<｜tool▁calls▁begin｜>",), "deepseek-v3.1"),
    Family(
        "kimi-k2",
        ("<|tool_calls_section_begin|>",),
        "kimi",
        arguments="either",
        ids=IdForm.NUMBERED,
    ),
    Family("minicpm3", ("<|tool_call_start|>", "```python"), "minicpm3", "minicpm3"),
    Family("lfm2", ("<|tool_call_start|>",), "lfm2"),
    Family("lfm2", ("<|tool_list_start|>",), "lfm2"),
    Family("phi4-mini", ("functools",), "phi4-mini", ""),
    Family("mistral-small-3.2", ("[CALL_ID]",), "mistral", "mistral", "either", IdForm.NINE),
    Family("devstral", ("[ARGS]",), "mistral", "mistral", "either", IdForm.NINE),
    Family("mistral-nemo", ("[TOOL_CALLS]",), "mistral-list", "mistral", "either", IdForm.NINE),
    Family("llama4", ("<|header_start|>",), "llama4", ""),
    Family("llama3", ("<|python_tag|>",), "llama3", ""),
    Family("llama3", ("Respond in the format",), "llama3", ""),
    Family("command-r7b", ("<|START_ACTION|>",), "command-r7b", "command-r7b"),
    Family("command-r-plus", ("Action:",), "command-r-plus", ""),
    Family("granite3", ("<|tool_call|>",), "granite", "granite"),
    Family("nemotron-nano-v2", ("<TOOLCALL>",), "nemotron-v2"),
    Family("apriel", ("<tool_calls>[",), "apriel", "apriel"),
    Family("functionary", (">>>",), "functionary", "", arguments="text"),
    Family("hermes", ("<tool_call>",), "hermes"),  # last: others write this tag, too
)
"""In the order in which templates are tried."""

PLAIN = Family("plain", (), "")
"""A template that shows no way to call."""


def choose(template: str) -> Family:
    """The family that a chat template is of."""
    for family in FAMILIES:
        if family.matches(template):
            return family.fitted(template)
    return PLAIN.fitted(template)


def named(name: str) -> Family:
    """The family of that name; ValueError if there is none."""
    for family in (*FAMILIES, PLAIN):
        if family.name == name:
            return family
    known = ", ".join(sorted({family.name for family in FAMILIES}))
    raise ValueError(f"There is no model family {name}. Known: {known}.")


def with_formats(family: Family, tools: str | None, reasoning: str | None) -> Family:
    """The family with other formats, by name; "" is none, None leaves what it has."""
    tools = family.tools if tools is None else _known(tools, TOOL_FORMATS)
    reasoning = family.reasoning if reasoning is None else _known(reasoning, REASONING_FORMATS)
    return replace(family, tools=tools, reasoning=reasoning)


def _known(name: str, formats: Mapping[str, object]) -> str:
    if name and name not in formats:
        raise ValueError(f"There is no format {name}. Known: {', '.join(sorted(formats))}.")
    return name
