"""PromptGuard: keeps what clients write from becoming control tokens, roles or calls."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import islice, pairwise
from typing import Any

from ovapi.errors import InvalidRequest
from ovapi.language.chat_template import ChatTemplate
from ovapi.language.template.compiled import strings

# Printable, as templates may show dicts by Python's repr, which escapes what is not; without
# upper and lower case; and hardly ever written: Egyptian hieroglyphs.
_MARKS = [chr(code) for code in range(0x13000, 0x13400)]
_THOUGHTS = ("content", "reasoning_content", "thinking")


class PromptGuard:
    """`special` are the texts of the tokenizer's special tokens, `templates` those of the model.

    Special tokens in what the client sent must not count as such, and the tokenizer has no option
    for that. So where such text occurs in a chat, a mark goes into it before rendering, and the
    rendered text is split there. No part holds the whole special text, and the ids still decode to
    the client's own text.

    Users and tools cannot write the markers of the template either, as far as those are no special
    tokens. What an assistant said holds them by right, and many templates take it apart at them:
    there, special tokens that the template looks for are left alone too.
    """

    def __init__(self, special: Iterable[str], *templates: ChatTemplate) -> None:
        known = {text for text in special if len(text) > 1}
        markers = frozenset().union(*(template.markers for template in templates))
        operands = frozenset().union(*(template.operands for template in templates))
        self._special = _any_of(known)
        self._strict = _any_of(known | markers)
        self._own = _any_of(text for text in known if not any(text in one for one in operands))

    def finds_more(self, texts: Sequence[str], count: int) -> bool:
        """Whether the texts have more than `count` that is to be guarded."""
        found = (match for text in texts for match in self._strict.finditer(text))
        return next(islice(found, count, None), None) is not None

    def rendered(self, template: ChatTemplate, variables: Mapping[str, Any]) -> list[str]:
        """The text in parts to be tokenized apart. Raises InvalidRequest, ApiError."""
        if not any(self._strict.search(text) for text in strings(variables)):
            return [template.render(variables)]
        mark = _unused(variables)
        split = re.compile("|".join((mark, _escaped(mark).replace("\\", r"\\+"))))
        try:
            return split.split(template.render(self._guarded(variables, mark)))
        except InvalidRequest as error:
            raise InvalidRequest(split.sub("", error.message), param=error.param) from None

    def _guarded(self, variables: Mapping[str, Any], mark: str) -> dict[str, Any]:
        strict = _Cut(self._strict, mark)
        others = {name: value for name, value in variables.items() if name != "messages"}
        return {
            **_map_strings(others, strict),
            "messages": [self._guarded_message(message, mark) for message in variables["messages"]],
        }

    def _guarded_message(self, message: Mapping[str, Any], mark: str) -> dict[str, Any]:
        role = message["role"]
        if role in ("user", "tool"):
            everything: dict[str, Any] = _map_strings(message, _Cut(self._strict, mark))
            return everything
        special, own = _Cut(self._special, mark), _Cut(self._own, mark)
        return {
            key: _map_strings(value, own if role == "assistant" and key in _THOUGHTS else special)
            for key, value in message.items()
        }


class _Cut:
    """Puts a mark after the first character of each match, overlapping ones too."""

    def __init__(self, pattern: re.Pattern[str], mark: str) -> None:
        self._pattern = pattern
        self._mark = mark

    def __call__(self, text: str) -> str:
        cuts = [0]
        while match := self._pattern.search(text, cuts[-1]):
            cuts.append(match.start() + 1)
        return self._mark.join(text[a:b] for a, b in pairwise([*cuts, len(text)]))


def _any_of(texts: Iterable[str]) -> re.Pattern[str]:
    longest_first = sorted(texts, key=len, reverse=True)
    return re.compile("|".join(map(re.escape, longest_first)) or r"(?!)")


def _map_strings(value: Any, change: Callable[[str], str]) -> Any:
    if isinstance(value, str):
        return change(value)
    if isinstance(value, Mapping):
        return {_map_strings(k, change): _map_strings(v, change) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_map_strings(entry, change) for entry in value]
    return value


def _escaped(mark: str) -> str:
    r"""As JSON in ASCII has it: ``\ud80c\udc00``."""
    return json.dumps(mark)[1:-1]


def _unused(variables: Mapping[str, Any]) -> str:
    """A character that the client did not send, not even escaped."""
    texts = list(strings(variables))
    used = set().union(*map(set, texts))
    for mark in _MARKS:
        if mark not in used and not any(_escaped(mark) in text for text in texts):
            return mark
    raise InvalidRequest("The messages contain every placeholder character.", param="messages")
