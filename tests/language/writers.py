# ruff: noqa: RUF001 - the markers are what they are
"""Writes calls as each family's model does: the other way round than the parsers read them."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

Calls = Sequence[tuple[str, dict[str, Any]]]
Writer = Callable[[Calls], str]


def dumps(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def bare(value: Any) -> str:
    return value if isinstance(value, str) else dumps(value)


def hermes(calls: Calls) -> str:
    return "\n".join(
        f'<tool_call>\n{{"name": {dumps(name)}, "arguments": {dumps(given)}}}\n</tool_call>'
        for name, given in calls
    )


def _list(before: str, after: str, name_key: str = "name", key: str = "arguments") -> Writer:
    def write(calls: Calls) -> str:
        return before + dumps([{name_key: name, key: given} for name, given in calls]) + after

    return write


def harmony(calls: Calls) -> str:
    return "<|start|>assistant".join(
        f"<|channel|>commentary to=functions.{name} <|constrain|>json<|message|>{dumps(given)}"
        "<|call|>"
        for name, given in calls
    )


def _gemma_value(value: Any) -> str:
    if isinstance(value, str):
        return f'<|"|>{value}<|"|>'
    if isinstance(value, dict):
        return "{" + ",".join(f"{key}:{_gemma_value(each)}" for key, each in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(_gemma_value, value)) + "]"
    return dumps(value)


def gemma(calls: Calls) -> str:
    return "".join(
        f"<|tool_call>call:{name}{_gemma_value(given)}<tool_call|>" for name, given in calls
    )


def qwen3_coder(calls: Calls) -> str:
    def write(name: str, given: dict[str, Any]) -> str:
        tags = "".join(
            f"<parameter={key}>\n{bare(value)}\n</parameter>\n" for key, value in given.items()
        )
        return f"<tool_call>\n<function={name}>\n{tags}</function>\n</tool_call>"

    return "\n".join(write(*call) for call in calls)


def seed(calls: Calls) -> str:
    def write(name: str, given: dict[str, Any]) -> str:
        tags = "".join(
            f"<parameter={key}>{bare(value)}</parameter>\n" for key, value in given.items()
        )
        return f"<seed:tool_call>\n<function={name}>\n{tags}</function>\n</seed:tool_call>"

    return "\n".join(write(*call) for call in calls)


def minicpm5(calls: Calls) -> str:
    def value(value: Any) -> str:
        text = bare(value)
        special = isinstance(value, str) and any(char in text for char in "<&\n")
        return f"<![CDATA[{text}]]>" if special else text

    def write(name: str, given: dict[str, Any]) -> str:
        tags = "".join(f'<param name="{key}">{value(each)}</param>' for key, each in given.items())
        return f'<function name="{name}">{tags}</function>'

    return "\n".join(write(*call) for call in calls)


def minimax(calls: Calls) -> str:
    def write(name: str, given: dict[str, Any]) -> str:
        tags = "".join(
            f'<parameter name="{key}">{bare(value)}</parameter>\n' for key, value in given.items()
        )
        return f'<invoke name="{name}">\n{tags}</invoke>\n'

    return f"<minimax:tool_call>\n{''.join(write(*call) for call in calls)}</minimax:tool_call>"


def glm(calls: Calls) -> str:
    def write(name: str, given: dict[str, Any]) -> str:
        tags = "".join(
            f"<arg_key>{key}</arg_key>\n<arg_value>{bare(value)}</arg_value>\n"
            for key, value in given.items()
        )
        return f"<tool_call>{name}\n{tags}</tool_call>"

    return "\n".join(write(*call) for call in calls)


def glm47(calls: Calls) -> str:
    return (
        glm(calls).replace("</arg_key>\n", "</arg_key>").replace("</arg_value>\n", "</arg_value>")
    )


def deepseek_v32(calls: Calls) -> str:
    def write(name: str, given: dict[str, Any]) -> str:
        tags = "\n".join(
            f'<｜DSML｜parameter name="{key}" string="{dumps(isinstance(value, str))}">'
            f"{bare(value)}</｜DSML｜parameter>"
            for key, value in given.items()
        )
        return f'<｜DSML｜invoke name="{name}">\n{tags}\n</｜DSML｜invoke>\n'

    inner = "".join(write(*call) for call in calls)
    return f"<｜DSML｜function_calls>\n{inner}</｜DSML｜function_calls>"


def deepseek_v31(calls: Calls) -> str:
    inner = "".join(
        f"<｜tool▁call▁begin｜>{name}<｜tool▁sep｜>{dumps(given)}<｜tool▁call▁end｜>"
        for name, given in calls
    )
    return f"<｜tool▁calls▁begin｜>{inner}<｜tool▁calls▁end｜>"


def deepseek_r1(calls: Calls) -> str:
    inner = "\n".join(
        f"<｜tool▁call▁begin｜>function<｜tool▁sep｜>{name}\n```json\n{dumps(given)}\n```"
        "<｜tool▁call▁end｜>"
        for name, given in calls
    )
    return f"<｜tool▁calls▁begin｜>{inner}<｜tool▁calls▁end｜>"


def kimi(calls: Calls) -> str:
    inner = "".join(
        f"<|tool_call_begin|>functions.{name}:{index}<|tool_call_argument_begin|>{dumps(given)}"
        "<|tool_call_end|>"
        for index, (name, given) in enumerate(calls)
    )
    return f"<|tool_calls_section_begin|>{inner}<|tool_calls_section_end|>"


def _python(calls: Calls, literal: Callable[[Any], str], between: str) -> str:
    def write(name: str, given: dict[str, Any]) -> str:
        return f"{name}({', '.join(f'{key}={literal(value)}' for key, value in given.items())})"

    return between.join(write(*call) for call in calls)


def lfm2(calls: Calls) -> str:
    return f"<|tool_call_start|>[{_python(calls, repr, ', ')}]<|tool_call_end|>"


def minicpm3(calls: Calls) -> str:
    lines = _python(calls, dumps, "\n")
    return f"<|tool_call_start|>\n```python\n{lines}\n```\n<|tool_call_end|>"


def mistral_small(calls: Calls) -> str:
    return "".join(
        f"[TOOL_CALLS]{name}[CALL_ID]ab3DE67f{index}[ARGS]{dumps(given)}"
        for index, (name, given) in enumerate(calls)
    )


def devstral(calls: Calls) -> str:
    return "".join(f"[TOOL_CALLS]{name}[ARGS]{dumps(given)}" for name, given in calls)


def mistral_nemo(calls: Calls) -> str:
    return "[TOOL_CALLS]" + dumps(
        [
            {"name": name, "arguments": given, "id": f"ab3DE67f{index}"}
            for index, (name, given) in enumerate(calls)
        ]
    )


def llama3(calls: Calls) -> str:
    return "; ".join(dumps({"name": name, "parameters": given}) for name, given in calls)


def llama4(calls: Calls) -> str:
    return "\n".join(
        dumps({"type": "function", "name": name, "parameters": given}) for name, given in calls
    )


def llama4_python(calls: Calls) -> str:
    return f"[{_python(calls, repr, ', ')}]"


def functionary(calls: Calls) -> str:
    return "\n".join(f">>>{name}\n{dumps(given)}" for name, given in calls)


WRITERS: dict[str, tuple[str, Writer]] = {
    "gpt-oss": ("gpt-oss", harmony),
    "gemma4": ("gemma4", gemma),
    "seed-oss": ("seed-oss", seed),
    "qwen3-coder": ("qwen3-coder", qwen3_coder),
    "minicpm5": ("minicpm5", minicpm5),
    "minimax-m2": ("minimax-m2", minimax),
    "glm": ("glm", glm),
    "glm-4.7": ("glm", glm47),
    "deepseek-v3.2": ("deepseek-v3.2", deepseek_v32),
    "deepseek-v3.1": ("deepseek-v3.1", deepseek_v31),
    "deepseek-r1": ("deepseek-r1", deepseek_r1),
    "kimi-k2": ("kimi-k2", kimi),
    "minicpm3": ("minicpm3", minicpm3),
    "lfm2": ("lfm2", lfm2),
    "phi4-mini": ("phi4-mini", _list("functools", "")),
    "mistral-small-3.2": ("mistral-small-3.2", mistral_small),
    "devstral": ("devstral", devstral),
    "mistral-nemo": ("mistral-nemo", mistral_nemo),
    "llama4": ("llama4", llama4),
    "llama4-python": ("llama4", llama4_python),
    "llama3": ("llama3", llama3),
    "command-r7b": (
        "command-r7b",
        _list("<|START_ACTION|>", "<|END_ACTION|>", "tool_name", "parameters"),
    ),
    "command-r-plus": (
        "command-r-plus",
        _list("Action: ```json\n", "\n```", "tool_name", "parameters"),
    ),
    "granite3": ("granite3", _list("<|tool_call|>", "")),
    "nemotron-nano-v2": ("nemotron-nano-v2", _list("<TOOLCALL>", "</TOOLCALL>")),
    "apriel": ("apriel", _list("<tool_calls>", "</tool_calls>")),
    "functionary": ("functionary", functionary),
    "hermes": ("hermes", hermes),
}
"""By dialect: the family, and how its model writes calls."""

START_ONLY = {"llama3", "llama4", "llama4-python"}
"""Whose calls are such only at the beginning of an answer."""
