"""Tools as OpenAI's clients offer them, by their newer and older names → what may be called."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ovapi.core import Parsing
from ovapi.errors import InvalidRequest
from ovapi.http.answer.error_responses import refuse
from ovapi.language.offered_tools import tool_definition

JsonObject = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ToolUse:
    """What a request says of tools: those the model may call, in the form of chat templates.

    `legacy`: they came as `functions`, and a call is answered as a `function_call`, of which an
    answer has one.
    """

    tools: tuple[JsonObject, ...] = ()
    legacy: bool = False
    parallel: bool = True

    @property
    def parsing(self) -> Parsing:
        return Parsing(self.tools, one_call=self.legacy or not self.parallel)


def tool_use(body: JsonObject) -> ToolUse:
    """Raises InvalidRequest for what contradicts itself, and for calls that would be forced."""
    legacy = bool(body.get("functions"))
    if legacy and body.get("tools"):
        refuse("functions", "is the older form of 'tools': send only one")
    functions = _functions(body, legacy)
    return ToolUse(
        tools=tuple(map(tool_definition, _chosen(body, functions))),
        legacy=legacy,
        parallel=body.get("parallel_tool_calls") is not False,
    )


def _functions(body: JsonObject, legacy: bool) -> dict[str, JsonObject]:
    """By name."""
    found: dict[str, JsonObject] = {}
    if legacy:
        named = {f"functions[{place}]": one for place, one in enumerate(body["functions"])}
    else:
        tools = body.get("tools") or ()
        named = {f"tools[{place}].function": one["function"] for place, one in enumerate(tools)}
    for where, function in named.items():
        if function["name"] in found:
            refuse(f"{where}.name", f"is '{function['name']}', as is that of another function")
        found[function["name"]] = function
    return found


def _chosen(body: JsonObject, functions: Mapping[str, JsonObject]) -> Iterable[JsonObject]:
    """The functions that `tool_choice` or `function_call` leaves to the model."""
    param = "function_call" if body.get("functions") else "tool_choice"
    for other in {"function_call", "tool_choice"} - {param}:
        if body.get(other) not in (None, "none", "auto"):
            _check_choice(other, body[other], functions)
    choice = body.get(param)
    if choice is None or choice == "auto":
        return functions.values()
    if choice == "none":
        return ()
    return _check_choice(param, choice, functions)


def _check_choice(
    param: str, choice: str | JsonObject, functions: Mapping[str, JsonObject]
) -> Iterable[JsonObject]:
    """What a choice allows that is neither none nor auto."""
    if isinstance(choice, str):
        if choice == "required" and param == "tool_choice":
            raise _unforced(param)
        refuse(param, f'is \'{choice}\', which is no choice: send "none" or "auto"')
    kind = choice.get("type")
    if param == "tool_choice" and kind == "allowed_tools":
        return _allowed(choice, functions)
    if kind != "function" and not (param == "function_call" and "name" in choice):
        refuse(param, 'is no choice: send "none", "auto" or one of the type "allowed_tools"')
    raise _unforced(param)


def _unforced(param: str) -> InvalidRequest:
    return InvalidRequest(
        f"'{param}' asks for a call, which this model's engine cannot force: send \"auto\".",
        param=param,
        code="unsupported_value",
    )


def _allowed(choice: JsonObject, functions: Mapping[str, JsonObject]) -> Iterable[JsonObject]:
    """Chat has the list in an object of its own, responses in the choice itself."""
    inner = choice.get("allowed_tools")
    allowed = inner if isinstance(inner, Mapping) else choice
    if allowed.get("mode") == "required":
        raise _unforced("tool_choice")
    tools = allowed.get("tools")
    if allowed.get("mode") != "auto" or not isinstance(tools, Sequence):
        refuse("tool_choice", "lacks a 'mode' or the 'tools' that are allowed")
    names = [_name(tool) for tool in tools]
    for name in names:
        if name not in functions:
            refuse("tool_choice", f"allows '{name}', which is not among the tools")
    return [function for name, function in functions.items() if name in names]


def _name(tool: Any) -> str:
    """Of a function in the list of those that are allowed."""
    function = tool.get("function", tool) if isinstance(tool, Mapping) else None
    name = function.get("name") if isinstance(function, Mapping) else None
    if not isinstance(name, str):
        refuse("tool_choice", "allows a tool without a name")
    return name
