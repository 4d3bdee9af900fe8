"""PromptEncoder: from a prompt to token ids, by the model's own chat template."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any

from ovapi.core import ChatPrompt, TextPrompt
from ovapi.engine.model_files import ModelFiles
from ovapi.engine.text.prompt_guard import PromptGuard
from ovapi.errors import InvalidRequest
from ovapi.language.chat_template import ChatTemplate
from ovapi.language.conversation import conversation
from ovapi.language.model_language import LanguageOptions, ModelLanguage
from ovapi.language.taught_tools import taught
from ovapi.language.template.compiled import strings
from ovapi.language.template.traits import TemplateTraits

_GROUP = 64
_SHORT = 256  # characters


class PromptEncoder:
    """`special` are the texts of the tokenizer's special tokens."""

    def __init__(
        self,
        tokenizer: Any,
        files: ModelFiles,
        special: Iterable[str],
        options: LanguageOptions = LanguageOptions(),  # noqa: B008 it is immutable
    ) -> None:
        self._tokenizer = tokenizer
        self._template = ChatTemplate(files.chat_template, files.variables)
        self._tool_template = self._template
        if files.tool_template is not None:
            self._tool_template = ChatTemplate(files.tool_template, files.variables)
        special = tuple(special)
        self._guard = PromptGuard(special, self._template, self._tool_template)
        self.language = ModelLanguage.of(
            files.tool_template or files.chat_template, self.traits.tools, options, special
        )

    @property
    def traits(self) -> TemplateTraits:
        """What the model's template can do: that for tools, if there is one."""
        return self._tool_template.traits

    def exceeds(self, prompt: ChatPrompt | TextPrompt, characters: int, specials: int) -> bool:
        """Whether the prompt has more characters, or more of special tokens' texts, than that."""
        if isinstance(prompt, TextPrompt):
            return len(prompt.text) > characters
        prompt = self._written(prompt)
        texts = list(strings(self._chosen(prompt).variables(prompt)))
        return sum(map(len, texts)) > characters or self._guard.finds_more(texts, specials)

    def parts(self, prompt: ChatPrompt | TextPrompt) -> list[str]:
        """The text to tokenize, in parts to be tokenized apart. Raises InvalidRequest."""
        if isinstance(prompt, TextPrompt):
            return [prompt.text]
        prompt = self._written(prompt)
        template = self._chosen(prompt)
        return self._guard.rendered(template, template.variables(prompt))

    def _written(self, prompt: ChatPrompt) -> ChatPrompt:
        """With calls and results as the family wants them, and without tools if it knows none."""
        messages = conversation(prompt.messages, self.language.family.ids)
        prompt = replace(prompt, messages=tuple(messages))
        return taught(prompt) if self.language.taught else prompt

    def _chosen(self, prompt: ChatPrompt) -> ChatTemplate:
        """A template that was made for tools may fail without any."""
        return self._tool_template if prompt.tools else self._template

    def encode_parts(self, parts: Sequence[str], add_special_tokens: bool) -> list[int]:
        """Tokenize each part by itself and join the ids. Raises InvalidRequest."""
        for part in parts:
            _check_text(part)
        if len(parts) == 1:
            return self._encode_one(parts[0], add_special_tokens)
        return [id for group in _groups(parts) for id in self._encode_group(group)]

    def _encode_one(self, text: str, add_special_tokens: bool) -> list[int]:
        if not text and not add_special_tokens:
            return []
        encoded = self._tokenizer.encode(text, add_special_tokens=add_special_tokens)
        ids: list[int] = encoded.input_ids.data[0].tolist()
        return ids

    def _encode_group(self, texts: list[str]) -> Iterator[int]:
        encoded = self._tokenizer.encode(texts, add_special_tokens=False)
        for ids, mask in zip(encoded.input_ids.data, encoded.attention_mask.data, strict=True):
            yield from ids[mask == 1].tolist()


def _check_text(text: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise InvalidRequest("The prompt contains an unpaired surrogate.") from None


def _groups(parts: Sequence[str]) -> Iterator[list[str]]:
    """Neighbours to be tokenized in one call, which pads them: short ones, and not too many."""
    group: list[str] = []
    for part in filter(None, parts):
        if group and (len(group) == _GROUP or len(part) > _SHORT):
            yield group
            group = []
        group.append(part)
        if len(part) > _SHORT:
            yield group
            group = []
    if group:
        yield group
