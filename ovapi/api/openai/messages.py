"""Messages as OpenAI's clients send them → Message."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

from ovapi.api.openai.reasoning import of_message
from ovapi.core import Message, Role, ToolCall
from ovapi.http.answer.error_responses import refuse

JsonObject = Mapping[str, Any]


def messages(items: Sequence[JsonObject]) -> tuple[Message, ...]:
    """`items` have passed the schema; here is what it leaves out: which role needs what."""
    return tuple(_message(item, f"messages[{index}]") for index, item in enumerate(items))


def _message(item: JsonObject, where: str) -> Message:
    calls = tuple(map(_call, item.get("tool_calls") or ())) or _function_call(item, where)
    if item.get("content") is None and not (item["role"] == "assistant" and calls):
        _missing(f"{where}.content")
    if calls and item["role"] != "assistant":
        _misplaced(f"{where}.tool_calls", "an assistant")
    if item["role"] == "function" and item.get("name") is None:
        _missing(f"{where}.name")
    if item["role"] == "tool" and item.get("tool_call_id") is None:
        _missing(f"{where}.tool_call_id")
    return Message(
        role=_role(item["role"]),
        content=_text(item.get("content")),
        name=item.get("name"),
        tool_calls=calls,
        tool_call_id=item.get("tool_call_id"),
        reasoning=of_message(item, where) if item["role"] == "assistant" else None,
    )


def _role(name: str) -> Role:
    """`developer` is what OpenAI's newer models call `system`, `function` the older `tool`."""
    return cast(Role, {"developer": "system", "function": "tool"}.get(name, name))


def _text(content: str | Sequence[JsonObject] | None) -> str:
    if isinstance(content, str):
        return content
    return "".join(part["text"] for part in content or ())


def _call(call: JsonObject) -> ToolCall:
    function = call["function"]
    return ToolCall(call["id"], function["name"], function["arguments"])


def _function_call(item: JsonObject, where: str) -> tuple[ToolCall, ...]:
    """The older form of `tool_calls`, of a single call without an id."""
    call = item.get("function_call")
    if call is None:
        return ()
    if item["role"] != "assistant":
        _misplaced(f"{where}.function_call", "an assistant")
    return (ToolCall("", call["name"], call["arguments"]),)


def _missing(param: str) -> None:
    refuse(param, "is required", "missing_required_parameter")


def _misplaced(param: str, role: str) -> None:
    refuse(param, f"is only allowed in {role} message")
