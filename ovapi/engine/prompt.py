"""PromptEncoder: from a prompt to token ids, by the model's own chat template."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from itertools import pairwise
from typing import Any, NoReturn

from ovapi.core import ChatPrompt, Message, TextPrompt
from ovapi.engine.facts import ModelFacts
from ovapi.errors import ApiError, InvalidRequest

_GROUP = 64
_SHORT = 256  # characters
# Printable, as templates may show dicts by Python's repr, which escapes what is not; without
# upper and lower case; and hardly ever written: Egyptian hieroglyphs.
_MARKS = [chr(code) for code in range(0x13000, 0x13400)]


class PromptEncoder:
    """`special` are the texts of the tokenizer's special tokens."""

    def __init__(self, tokenizer: Any, facts: ModelFacts, special: Iterable[str]) -> None:
        self._tokenizer = tokenizer
        self._variables = facts.variables
        self._template = _compile(facts.chat_template) if facts.chat_template else None
        longest_first = sorted((text for text in special if len(text) > 1), key=len, reverse=True)
        self._special = re.compile("|".join(map(re.escape, longest_first)) or r"(?!)")

    def encode(self, prompt: ChatPrompt | TextPrompt, add_special_tokens: bool = True) -> list[int]:
        """The prompt's ids; a chat template brings its own special tokens. Raises ApiError."""
        add_special_tokens = add_special_tokens and isinstance(prompt, TextPrompt)
        return self.encode_parts(self.parts(prompt), add_special_tokens)

    def parts(self, prompt: ChatPrompt | TextPrompt) -> list[str]:
        """The text to tokenize, in parts to be tokenized apart. Raises InvalidRequest.

        Special tokens in what the client sent must not count as such, and the tokenizer has no
        option for that. So where such text occurs in a chat, a mark goes into it before rendering,
        and the rendered text is split there. No part holds the whole special text,
        and the ids still decode to the client's own text.
        """
        if isinstance(prompt, TextPrompt):
            return [prompt.text]
        variables = _variables(prompt)
        if not any(self._special.search(text) for text in _strings(variables)):
            return [self._render(variables)]
        mark = _unused(variables)
        guarded = _map_strings(variables, lambda text: self._guard(text, mark))
        return self._render(guarded).split(mark)

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

    def _render(self, variables: Mapping[str, Any]) -> str:
        """Raises InvalidRequest with the template's own objection, ApiError for its failures."""
        import jinja2

        if self._template is None:
            raise InvalidRequest("This model has no chat template: send a text prompt instead.")
        try:
            return str(self._template.render({**self._variables, **variables}))
        except jinja2.UndefinedError:
            raise ApiError("The model's chat template failed on these messages.") from None
        except jinja2.TemplateError as error:
            raise InvalidRequest(str(error), param="messages") from None
        except Exception:  # noqa: BLE001 a template is foreign code: it may raise anything
            raise ApiError("The model's chat template failed on these messages.") from None


def _check_text(text: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise InvalidRequest("The prompt holds a lone surrogate, which is no text.") from None


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


def _compile(source: str) -> Any:
    """The template in jinja2's sandbox, with what Hugging Face's templates expect."""
    from jinja2.ext import loopcontrols
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[loopcontrols]
    )
    environment.filters["tojson"] = _tojson
    environment.globals["raise_exception"] = _raise_exception
    environment.globals["strftime_now"] = lambda format: datetime.now().strftime(format)
    return environment.from_string(source)


def _tojson(value: Any, indent: int | None = None, **options: Any) -> str:
    """Without jinja2's HTML escapes."""
    return json.dumps(value, ensure_ascii=False, indent=indent, **options)


def _raise_exception(message: str) -> NoReturn:
    import jinja2

    raise jinja2.TemplateError(message)


def _variables(prompt: ChatPrompt) -> dict[str, Any]:
    return {
        **prompt.template_args,
        "messages": [_message(message) for message in prompt.messages],
        "tools": list(prompt.tools) or None,
        "documents": None,
        "add_generation_prompt": prompt.add_generation_prompt,
    }


def _message(message: Message) -> dict[str, Any]:
    """As Hugging Face's templates expect it: absent rather than None, arguments as a dict."""
    given: dict[str, Any] = {"role": message.role, "content": message.content}
    if message.name is not None:
        given["name"] = message.name
    if message.tool_call_id is not None:
        given["tool_call_id"] = message.tool_call_id
    if message.tool_calls:
        given["tool_calls"] = [
            {
                "id": call.id,
                "type": "function",
                "function": {"name": call.name, "arguments": _arguments(call.arguments)},
            }
            for call in message.tool_calls
        ]
    return given


def _arguments(text: str) -> Any:
    """The object that the text is, or the text itself if it is none."""
    try:
        parsed = json.loads(text or "{}")
    except ValueError:
        return text
    return parsed if isinstance(parsed, dict) else text


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
    raise InvalidRequest("The messages hold special tokens and every hieroglyph.", param="messages")
