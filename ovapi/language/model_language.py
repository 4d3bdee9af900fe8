"""ModelLanguage: how one model writes calls and thought, and whether it can be told of tools."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from ovapi.language.families import PLAIN, Family, choose, with_formats
from ovapi.language.parsing.channels import ChannelFormat
from ovapi.language.reasoning.format import FORMATS as REASONING_FORMATS
from ovapi.language.tools.formats import FORMATS as TOOL_FORMATS

AUTO, NONE = "auto", "none"
"""What the configuration may say instead of a format: found in the template; none at all."""
TAUGHT = "hermes"
"""The format that a model is taught by a system message, if its family has none."""


_SILENT = PLAIN.fitted("")  # writes text alone


@dataclass(frozen=True, slots=True)
class LanguageOptions:
    """`tool_format` and `reasoning_format` name a format each, or are AUTO or NONE.

    With `teaches_tools` a system message tells the model of tools where its template does not.
    """

    tool_format: str = AUTO
    reasoning_format: str = AUTO
    teaches_tools: bool = False


@dataclass(frozen=True, slots=True)
class ModelLanguage:
    """`knows_tools`: the template shows tools to the model. `taught`: a system message does.

    `special` are the texts of the tokenizer's special tokens.
    """

    family: Family = _SILENT
    knows_tools: bool = False
    taught: bool = False
    special: tuple[str, ...] = ()

    @classmethod
    def of(
        cls,
        template: str | None,
        knows_tools: bool,
        options: LanguageOptions,
        special: tuple[str, ...] = (),
    ) -> ModelLanguage:
        """Of the model that has this chat template, the one for tools if there are two."""
        taught = options.teaches_tools and not knows_tools and template is not None
        family = choose(template or "")
        tools = _named(options.tool_format)
        if tools is None and taught and not family.tools:
            tools = TAUGHT
        family = with_formats(family, tools, _named(options.reasoning_format))
        return cls(family, knows_tools, taught, special)

    @property
    def calls(self) -> bool:
        """Tools may be offered, and calls of them are found."""
        return bool(self.family.tools) and (self.knows_tools or self.taught)

    @property
    def thinks(self) -> bool:
        """Thought is told from the answer."""
        return bool(self.family.reasoning) or self.channels

    @property
    def channels(self) -> bool:
        """The family's whole answer is in messages with headers."""
        return isinstance(TOOL_FORMATS.get(self.family.tools), ChannelFormat)

    @property
    def thinks_first(self) -> bool:
        """Once an answer has begun, no thought comes any more."""
        return not self.channels and not REASONING_FORMATS[self.family.reasoning].anywhere

    @property
    def thinks_in_special_tokens(self) -> bool:
        """What tells thought from the answer would be missing without special tokens."""
        return self.channels or _in_special_tokens(self.family.reasoning, self.special)


@lru_cache(maxsize=64)
def _in_special_tokens(reasoning: str, special: tuple[str, ...]) -> bool:
    """Some tokenizers have thousands of special tokens."""
    format = REASONING_FORMATS[reasoning]
    words = (*format.openers, *format.closers, *format.hidden)
    return any(text in word for text in special if len(text) > 1 for word in words)


def _named(format: str) -> str | None:
    return {AUTO: None, NONE: ""}.get(format, format)
