"""PromptEncoder: from a prompt to token ids, by the model's own chat template."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice, pairwise
from typing import Any

from ovapi.core import ChatPrompt, TextPrompt
from ovapi.engine.model_files import ModelFiles
from ovapi.errors import InvalidRequest
from ovapi.language.chat_template import ChatTemplate, template_variables

_GROUP = 64
_SHORT = 256  # characters
# Printable, as templates may show dicts by Python's repr, which escapes what is not; without
# upper and lower case; and hardly ever written: Egyptian hieroglyphs.
_MARKS = [chr(code) for code in range(0x13000, 0x13400)]


class PromptEncoder:
    """`special` are the texts of the tokenizer's special tokens."""

    def __init__(self, tokenizer: Any, files: ModelFiles, special: Iterable[str]) -> None:
        self._tokenizer = tokenizer
        self._template = ChatTemplate(files.chat_template, files.variables)
        longest_first = sorted((text for text in special if len(text) > 1), key=len, reverse=True)
        self._special = re.compile("|".join(map(re.escape, longest_first)) or r"(?!)")

    def exceeds(self, prompt: ChatPrompt | TextPrompt, characters: int, specials: int) -> bool:
        """Whether the prompt has more characters, or more of special tokens' texts, than that."""
        if isinstance(prompt, TextPrompt):
            return len(prompt.text) > characters
        texts = list(_strings(template_variables(prompt)))
        if sum(map(len, texts)) > characters:
            return True
        found = (match for text in texts for match in self._special.finditer(text))
        return next(islice(found, specials, None), None) is not None

    def parts(self, prompt: ChatPrompt | TextPrompt) -> list[str]:
        """The text to tokenize, in parts to be tokenized apart. Raises InvalidRequest.

        Special tokens in what the client sent must not count as such, and the tokenizer has no
        option for that. So where such text occurs in a chat, a mark goes into it before rendering,
        and the rendered text is split there. No part holds the whole special text,
        and the ids still decode to the client's own text.
        """
        if isinstance(prompt, TextPrompt):
            return [prompt.text]
        variables = template_variables(prompt)
        if not any(self._special.search(text) for text in _strings(variables)):
            return [self._template.render(variables)]
        mark = _unused(variables)
        guarded = _map_strings(variables, lambda text: self._guard(text, mark))
        return self._template.render(guarded).split(mark)

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

    def _guard(self, text: str, mark: str) -> str:
        """Put the mark after the first character of each special text, overlapping ones too."""
        cuts = [0]
        while match := self._special.search(text, cuts[-1]):
            cuts.append(match.start() + 1)
        return mark.join(text[a:b] for a, b in pairwise([*cuts, len(text)]))


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


def _strings(value: Any) -> Iterator[str]:
    """Every string in nested dicts and lists, keys too."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for key, entry in value.items():
            yield from _strings(key)
            yield from _strings(entry)
    elif isinstance(value, list | tuple):
        for entry in value:
            yield from _strings(entry)


def _map_strings(value: Any, change: Any) -> Any:
    if isinstance(value, str):
        return change(value)
    if isinstance(value, Mapping):
        return {_map_strings(k, change): _map_strings(v, change) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_map_strings(entry, change) for entry in value]
    return value


def _unused(variables: Mapping[str, Any]) -> str:
    """A character that the client did not send."""
    used = set().union(*map(set, _strings(variables)))
    for mark in _MARKS:
        if mark not in used:
            return mark
    raise InvalidRequest("The messages contain every placeholder character.", param="messages")
