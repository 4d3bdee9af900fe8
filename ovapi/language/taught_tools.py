"""Tools for a model whose template knows none: a system message teaches it to call them.

Calls and results of earlier turns become text in the same form.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from ovapi.core import ChatPrompt, Message, ToolCall

INTRODUCTION = """\
You may call these functions, each described by a JSON object:
{functions}

To call a function, write an object with its name and arguments between these tags, and nothing \
else:
<tool_call>
{{"name": "NAME", "arguments": {{"KEY": "VALUE"}}}}
</tool_call>
The result comes between <tool_response> tags."""


def taught(prompt: ChatPrompt) -> ChatPrompt:
    """The prompt without tools: what it says of them is text."""
    messages = [_plain(message) for message in prompt.messages]
    if prompt.tools:
        messages = list(_introduced(messages, _introduction(prompt.tools)))
    return replace(prompt, messages=tuple(messages), tools=())


def _introduction(tools: Sequence[Mapping[str, Any]]) -> str:
    functions = (json.dumps(tool["function"], ensure_ascii=False) for tool in tools)
    return INTRODUCTION.format(functions="\n".join(functions))


def _introduced(messages: Sequence[Message], text: str) -> Iterator[Message]:
    if messages and messages[0].role == "system":
        yield replace(messages[0], content=f"{messages[0].content}\n\n{text}")
        yield from messages[1:]
    else:
        yield Message("system", text)
        yield from messages


def _plain(message: Message) -> Message:
    if message.role == "tool":
        return Message("user", f"<tool_response>\n{message.content}\n</tool_response>")
    if not message.tool_calls:
        return message
    texts = [message.content, *map(_call, message.tool_calls)]
    return replace(message, content="\n".join(filter(None, texts)), tool_calls=())


def _call(call: ToolCall) -> str:
    name = json.dumps(call.name, ensure_ascii=False)
    return f'<tool_call>\n{{"name": {name}, "arguments": {call.arguments or "{}"}}}\n</tool_call>'
