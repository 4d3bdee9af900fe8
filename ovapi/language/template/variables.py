"""From a conversation to the variables that Hugging Face's chat templates expect."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any, Literal, NoReturn

from ovapi.core import Message, ToolCall
from ovapi.errors import InvalidRequest

ArgumentsForm = Literal["mapping", "text"]
_MAX_DEPTH = 64


def message_variables(
    messages: Iterable[Message], arguments: ArgumentsForm = "mapping", null_content: bool = False
) -> list[dict[str, Any]]:
    """Each message as a dict in which what it lacks is absent rather than None.

    `arguments` and `null_content` are those of TemplateTraits. A result without a name gets that
    of the call it answers. Raises InvalidRequest for arguments that are nested without end.
    """
    names: dict[str, str] = {}
    given = []
    for message in messages:
        names.update((call.id, call.name) for call in message.tool_calls)
        given.append(_message(message, arguments, null_content, names))
    return given


def _message(
    message: Message, arguments: ArgumentsForm, null_content: bool, names: dict[str, str]
) -> dict[str, Any]:
    only_calls = bool(message.tool_calls) and not message.content
    given: dict[str, Any] = {
        "role": message.role,
        "content": None if only_calls and null_content else message.content,
    }
    name = message.name
    if name is None and message.role == "tool":
        name = names.get(message.tool_call_id or "")
    if name is not None:
        given["name"] = name
    if message.tool_call_id is not None:
        given["tool_call_id"] = message.tool_call_id
    if message.reasoning is not None:
        given["reasoning_content"] = given["thinking"] = message.reasoning
    if message.tool_calls:
        given["tool_calls"] = [_call(call, arguments) for call in message.tool_calls]
    return given


def _call(call: ToolCall, arguments: ArgumentsForm) -> dict[str, Any]:
    value = arguments_object(call.arguments) if arguments == "mapping" else call.arguments or "{}"
    return {
        "id": call.id,
        "type": "function",
        "function": {"name": call.name, "arguments": value},
    }


def arguments_object(text: str) -> Any:
    """The object that the text is, or the text itself if it is none. Raises InvalidRequest."""
    try:
        parsed = json.loads(text or "{}", parse_constant=_no_json)
    except RecursionError:
        raise _too_deep() from None
    except ValueError:
        return text
    _check_depth(parsed)
    return parsed if isinstance(parsed, dict) else text


def _no_json(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON")


def _check_depth(value: Any) -> None:
    """Nothing that is written to go through it level by level may fail at it."""
    level = [value]
    for _ in range(_MAX_DEPTH):
        level = [inner for outer in level for inner in _inner(outer)]
        if not level:
            return
    raise _too_deep()


def _too_deep() -> InvalidRequest:
    return InvalidRequest(
        f"The arguments of a tool call are nested more than {_MAX_DEPTH} levels deep.",
        param="messages",
    )


def _inner(value: Any) -> Iterable[Any]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()
