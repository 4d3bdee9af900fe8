"""TemplateTraits: what a chat template can do, found out by rendering small conversations.

Names of models and words in templates tell less, and tell it wrongly more often.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import takewhile
from typing import Any

from ovapi.core import Message, ToolCall
from ovapi.language.template.budget import RenderLimit
from ovapi.language.template.variables import ArgumentsForm, message_variables

log = logging.getLogger(__name__)

_FUNCTION = "probe_function"
_KEY, _VALUE = "probe_key", "probe_value"
_THOUGHT = "probe thought"
_ID = "probe0001"
"""Nine letters and digits: some families refuse all else."""
_TOOL = {
    "type": "function",
    "function": {
        "name": _FUNCTION,
        "description": "A function.",
        "parameters": {
            "type": "object",
            "properties": {_KEY: {"type": "string", "description": "A key."}},
            "required": [_KEY],
        },
    },
}
_OPENING = ("<think>", "<seed:think>", "[THINK]", "<|START_THINKING|>", "<|channel>thought")
_CLOSING = ("</think>", "</seed:think>", "[/THINK]", "<|END_THINKING|>", "<channel|>")

Render = Callable[[Mapping[str, Any]], str]


@dataclass(frozen=True, slots=True)
class TemplateTraits:
    """`tools`: it shows the model its tools. `calls`: it shows the calls of earlier turns.

    `arguments` is the form that it wants a call's arguments in. `null_content`: the content of a
    turn that only calls has to be None. `reasoning`: it shows what was thought before a call.
    `generation_prompt` is what it puts at the end for the model to go on from, and
    `opens_thinking` tells whether that is the beginning of a thought.
    """

    tools: bool = False
    calls: bool = False
    arguments: ArgumentsForm = "mapping"
    null_content: bool = False
    reasoning: bool = False
    generation_prompt: str = ""
    opens_thinking: bool = False


def opens_thinking(prompt: str) -> bool:
    """Whether the prompt ends inside of a thought that it has begun itself."""
    opened = max(prompt.rfind(marker) for marker in _OPENING)
    return opened >= 0 and opened > max(prompt.rfind(marker) for marker in _CLOSING)


def probe(render: Render) -> TemplateTraits:
    """What the template can do that `render` renders, which raises whatever a rendering does.

    After a RenderLimit nothing more is tried.
    """
    return _Probe(render).traits()


class _Probe:
    """Renders conversations; what cannot be rendered is an empty text."""

    def __init__(self, render: Render) -> None:
        self._render = render
        self._exhausted = False

    def traits(self) -> TemplateTraits:
        forms: list[tuple[ArgumentsForm, bool]] = [
            ("mapping", False), ("text", False), ("mapping", True), ("text", True),
        ]  # fmt: skip
        arguments, null_content = max(forms, key=lambda form: self._worth(*form))
        calling = message_variables(_conversation(_THOUGHT), arguments, null_content)
        prompt = self._generation_prompt()
        return TemplateTraits(
            tools=_FUNCTION in self._text(_user()),
            calls=self._worth(arguments, null_content) > 0,
            arguments=arguments,
            null_content=null_content,
            reasoning=_THOUGHT in self._text(calling),
            generation_prompt=prompt,
            opens_thinking=opens_thinking(prompt),
        )

    def _worth(self, arguments: ArgumentsForm, null_content: bool) -> int:
        """How well calls are shown: as JSON or in a form of the family's own (2), or not (0).

        Python's form of a dict, or JSON put into JSON once more, is a little better than nothing.
        """
        text = self._text(message_variables(_conversation(None), arguments, null_content))
        if _VALUE not in text:
            return 0
        return 1 if f"'{_KEY}': '{_VALUE}'" in text or f'\\"{_VALUE}' in text else 2

    def _generation_prompt(self) -> str:
        prompt = self._text(_user())
        without = self._text(_user(), add_generation_prompt=False)
        same = takewhile(lambda pair: pair[0] == pair[1], zip(prompt, without, strict=False))
        start = sum(1 for _ in same)
        tag = prompt.rfind("<", 0, start)
        return prompt[tag:] if tag > prompt.rfind(">", 0, start) else prompt[start:]

    def _text(self, messages: list[dict[str, Any]], add_generation_prompt: bool = True) -> str:
        """With a tool, or without any if the template was not made for them."""
        variables = {
            "messages": messages,
            "documents": None,
            "add_generation_prompt": add_generation_prompt,
        }
        return self._try({**variables, "tools": [_TOOL]}) or self._try({**variables, "tools": None})

    def _try(self, variables: Mapping[str, Any]) -> str:
        if self._exhausted:
            return ""
        try:
            return self._render(variables)
        except RenderLimit:
            self._exhausted = True
        except Exception:  # noqa: BLE001 a template is foreign code: it may raise anything
            log.debug("the chat template refuses a conversation of the probe")
        return ""


def _user() -> list[dict[str, Any]]:
    return message_variables((Message("user", "Hi"),))


def _conversation(reasoning: str | None) -> tuple[Message, ...]:
    """A question, a call, and its result."""
    call = ToolCall(_ID, _FUNCTION, json.dumps({_KEY: _VALUE}))
    return (
        Message("user", "Hi"),
        Message("assistant", "", tool_calls=(call,), reasoning=reasoning),
        Message("tool", "Done", tool_call_id=_ID),
    )
