"""PromptEncoder: from a prompt to token ids, by the model's own chat template."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any, NoReturn

from ovapi.core import ChatPrompt, Message, Prompt, TextPrompt
from ovapi.engine.facts import ModelFacts
from ovapi.errors import ApiError, InvalidRequest

_NONCHARACTERS = [chr(code) for code in range(0xFDD0, 0xFDF0)]


class PromptEncoder:
    """`special` are the texts of the tokenizer's special tokens."""

    def __init__(self, tokenizer: Any, facts: ModelFacts, special: Iterable[str]) -> None:
        self._tokenizer = tokenizer
        self._variables = facts.variables
        self._template = _compile(facts.chat_template) if facts.chat_template else None
        longest_first = sorted((text for text in special if len(text) > 1), key=len, reverse=True)
        self._special = re.compile("|".join(map(re.escape, longest_first)) or r"(?!)")

    def encode(self, prompt: Prompt, add_special_tokens: bool = True) -> list[int]:
        """Raises InvalidRequest; token prompts are passed through, unchecked."""
        if isinstance(prompt, ChatPrompt):
            return self._encode_chat(prompt)
        if isinstance(prompt, TextPrompt):
            return self._encode_text(prompt.text, add_special_tokens)
        return list(prompt.ids)

    def _encode_text(self, text: str, add_special_tokens: bool) -> list[int]:
        try:
            text.encode()
        except UnicodeEncodeError:
            raise InvalidRequest("The prompt holds a lone surrogate, which is no text.") from None
        if not text and not add_special_tokens:
            return []
        encoded = self._tokenizer.encode(text, add_special_tokens=add_special_tokens)
        ids: list[int] = encoded.input_ids.data[0].tolist()
        return ids

    def _encode_chat(self, prompt: ChatPrompt) -> list[int]:
        """Special tokens in what the client sent must not count as such.

        The tokenizer has no option for that. So where such text occurs, a noncharacter goes into
        it before rendering; the rendered text is split there and its parts are tokenized apart.
        No part holds the whole special text, and the ids still decode to the client's own text.
        """
        variables = _variables(prompt)
        if not any(self._special.search(text) for text in _strings(variables)):
            return self._encode_text(self._render(variables), False)
        mark = _unused(variables)
        rendered = self._render(_map_strings(variables, lambda text: self._guard(text, mark)))
        return [id for part in rendered.split(mark) for id in self._encode_text(part, False)]

    def _guard(self, text: str, mark: str) -> str:
        parts = [text]
        # the rest of one special text may itself be another
        while match := self._special.search(parts[-1]):
            last, cut = parts.pop(), match.start() + 1
            parts += [last[:cut], last[cut:]]
        return mark.join(parts)

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
    """A noncharacter that the client did not send."""
    used = set().union(*map(set, _strings(variables)))
    for mark in _NONCHARACTERS:
        if mark not in used:
            return mark
    raise InvalidRequest("The messages hold every Unicode noncharacter.", param="messages")
