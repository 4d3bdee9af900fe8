"""Reasoning in OpenAI's chat: what is asked of the template, and where the thought is shown."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ovapi.http.answer.error_responses import refuse

TemplateArgs = Mapping[str, str | int | float | bool | None]

FIELDS: Mapping[str, tuple[str, ...]] = {
    "both": ("reasoning_content", "reasoning"),
    "reasoning_content": ("reasoning_content",),
    "reasoning": ("reasoning",),
}
"""The fields of a message that show its thought, by `reasoning_field` of the configuration."""


def template_args(body: Mapping[str, Any]) -> TemplateArgs:
    """Variables for the chat template, by all names under which templates know them."""
    effort = body.get("reasoning_effort")
    args: dict[str, str | int | float | bool | None] = {}
    if effort is not None:
        args["reasoning_effort"] = effort
        args["enable_thinking"] = args["thinking"] = effort != "none"
    return {**args, **(body.get("chat_template_kwargs") or {})}


def shown_in(body: Mapping[str, Any], field: str) -> tuple[str, ...]:
    """The fields of an answer's thought: none if it is to be hidden."""
    return () if body.get("include_reasoning") is False else FIELDS[field]


def of_message(item: Mapping[str, Any], where: str) -> str | None:
    """What an assistant thought in an earlier turn. Raises InvalidRequest."""
    given = {name: item[name] for name in FIELDS["both"] if item.get(name) is not None}
    if len(set(given.values())) > 1:
        refuse(f"{where}.reasoning", "and 'reasoning_content' differ: send only one")
    return next(iter(given.values()), None)
