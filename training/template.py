"""Renders dialogues with the chat template that ships with the model."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any, NoReturn

from jinja2 import Template
from jinja2.exceptions import TemplateError
from jinja2.sandbox import ImmutableSandboxedEnvironment

from training.mix import Dialogue

SOURCE = Path(__file__).with_name("chat_template.jinja").read_text(encoding="utf-8")


def _raise(message: str) -> NoReturn:
    raise TemplateError(message)


@cache
def template() -> Template:
    environment = ImmutableSandboxedEnvironment(extensions=["jinja2.ext.loopcontrols"])
    environment.filters["tojson"] = lambda value: json.dumps(value, ensure_ascii=False)
    environment.globals["raise_exception"] = _raise
    return environment.from_string(SOURCE)


def render(dialogue: Dialogue, end: int | None = None, prompt: bool = False) -> str:
    """The text of the messages before `end`, with the start of an answer where `prompt`."""
    messages: list[dict[str, Any]] = [message.openai() for message in dialogue.messages[:end]]
    return template().render(messages=messages, tools=dialogue.tools or None,
                             add_generation_prompt=prompt,
                             enable_thinking=dialogue.thinking)  # fmt: skip
