"""Ollama's `options` → SamplingParams. The schema has checked types and ranges."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ovapi.core import SamplingParams, stop_strings

SAME_NAME = ("temperature", "top_p", "min_p", "presence_penalty", "frequency_penalty")


def sampling(body: Mapping[str, Any], defaults: SamplingParams) -> SamplingParams:
    """The options of `body`, `defaults` where it names none.

    As in Ollama, `num_predict` is a wish: it ends where the context does.
    """
    options = body.get("options") or {}
    given = {name: value for name, value in options.items() if value is not None}
    values: dict[str, Any] = {name: given[name] for name in SAME_NAME if name in given}
    if "top_k" in given:
        values["top_k"] = max(given["top_k"], 0)
    if "repeat_penalty" in given:
        values["repetition_penalty"] = given["repeat_penalty"]
    if "seed" in given:
        values["seed"] = given["seed"] if given["seed"] >= 0 else None
    if "stop" in given:
        values["stop"] = stop_strings(given["stop"])
    if "num_predict" in given:
        values["max_tokens"] = given["num_predict"] if given["num_predict"] > 0 else None
    return replace(defaults, **values, logprobs=bool(body.get("logprobs")))


def template_args(body: Mapping[str, Any]) -> dict[str, str | int | float | bool | None]:
    """What `think` means to a chat template: the names that models use."""
    think = body.get("think")
    if think is None:
        return {}
    effort = {"reasoning_effort": think} if isinstance(think, str) else {}
    return {"enable_thinking": bool(think), "thinking": bool(think), **effort}
