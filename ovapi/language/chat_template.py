"""ChatTemplate: a model's own Jinja template, as Hugging Face's tokenizers run it.

Templates come with models from anywhere, and they are rendered where the engine takes its steps. So
each rendering has a time limit: every turn of a loop and every call looks at the clock.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Iterable, Iterator, Mapping, Sized
from datetime import datetime
from typing import Any, NoReturn

from ovapi.core import ChatPrompt, Message
from ovapi.errors import ApiError, InvalidRequest

log = logging.getLogger(__name__)

_SECONDS = 1.0
"""For one rendering; a thousand messages take some ten milliseconds."""
_MAX_CHARACTERS = 2**26
_DEADLINE = "_deadline"
"""The variable of a template that holds the moment by which it must have ended."""


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
            return _render(self._template, {**self._constants, **variables})
        except _Objection as error:
            raise InvalidRequest(str(error), param="messages") from None
        except _Endless:
            log.warning("chat template timed out after %g s", _SECONDS)
            raise ApiError("The model's chat template timed out on these messages.") from None
        except Exception as error:  # noqa: BLE001 a template is foreign code: it may raise anything
            log.warning("the chat template failed with %s", type(error).__name__)
            raise ApiError("The model's chat template failed on these messages.") from None


def _render(template: Any, variables: Mapping[str, Any]) -> str:
    """Raises _Endless at the limits of time and size, and whatever the template raises."""
    deadline = time.monotonic() + _SECONDS
    pieces: list[str] = []
    room = _MAX_CHARACTERS
    for piece in template.generate({**variables, _DEADLINE: deadline}):
        room -= len(piece)
        if room < 0:
            raise _Endless
        pieces.append(piece)
    return "".join(pieces)


def _compile(source: str) -> Any:
    """The template in jinja2's sandbox, with what Hugging Face's templates expect."""
    from jinja2 import nodes, pass_context
    from jinja2.ext import loopcontrols
    from jinja2.runtime import Context
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    class Environment(ImmutableSandboxedEnvironment):
        intercepted_binops = frozenset(("*", "**"))

        def call(self, context: Context, obj: Any, /, *args: Any, **kwargs: Any) -> Any:
            _check_time(context[_DEADLINE])
            return super().call(context, obj, *args, **kwargs)

        def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
            _check_product(operator, left, right)
            return super().call_binop(context, operator, left, right)

    environment = Environment(trim_blocks=True, lstrip_blocks=True, extensions=[loopcontrols])
    environment.filters["tojson"] = _tojson
    environment.filters[_DEADLINE] = pass_context(
        lambda context, items: _in_time(items, context[_DEADLINE])
    )
    environment.globals["raise_exception"] = _raise_exception
    environment.globals["strftime_now"] = lambda format: datetime.now().strftime(format)
    tree = environment.parse(source)
    for loop in tree.find_all(nodes.For):
        loop.iter = nodes.Filter(loop.iter, _DEADLINE, [], [], None, None, lineno=loop.lineno)
    return environment.from_string(tree)


class _Endless(Exception):
    """A rendering has reached its limit."""


def _in_time(items: Iterable[Any], deadline: float) -> Iterator[Any]:
    for item in items:
        _check_time(deadline)
        yield item


def _check_time(deadline: float) -> None:
    if time.monotonic() > deadline:
        raise _Endless


def _check_product(operator: str, left: Any, right: Any) -> None:
    """One operation must not take for ever, or all the memory, either."""
    if operator == "**":
        fits = max(abs(left), abs(right)) < 2**16
    elif isinstance(left, Sized) or isinstance(right, Sized):
        length, times = (left, right) if isinstance(left, Sized) else (right, left)
        fits = len(length) * times <= _MAX_CHARACTERS
    else:
        fits = True
    if not fits:
        raise _Endless


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
