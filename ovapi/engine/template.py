"""ChatTemplate: a model's own Jinja template, as Hugging Face's tokenizers run it."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from datetime import datetime
from typing import Any, NoReturn

from ovapi.core import ChatPrompt, Message
from ovapi.errors import ApiError, InvalidRequest

log = logging.getLogger(__name__)


class ChatTemplate:
    """`source` None: the model has none. `constants` are variables of the model (``bos_token``)."""

    def __init__(self, source: str | None, constants: Mapping[str, str]) -> None:
        self._template = _compile(source) if source else None
        self._constants = constants

    def render(self, variables: Mapping[str, Any]) -> str:
        """Raises InvalidRequest with the template's own objection, ApiError for its failures."""
        if self._template is None:
            raise InvalidRequest("This model has no chat template: send a text prompt instead.")
        try:
            return str(self._template.render({**self._constants, **variables}))
        except _Objection as error:
            raise InvalidRequest(str(error), param="messages") from None
        except Exception as error:  # noqa: BLE001 a template is foreign code: it may raise anything
            log.warning("the chat template failed with %s", type(error).__name__)
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


class _Objection(Exception):
    """What a template says by its `raise_exception`."""


def _raise_exception(message: str) -> NoReturn:
    raise _Objection(message)


def template_variables(prompt: ChatPrompt) -> dict[str, Any]:
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
