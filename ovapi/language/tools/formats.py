# ruff: noqa: RUF001 - the markers are what they are
"""How each family writes its calls, by the names that the configuration knows them by."""

from __future__ import annotations

import re
from collections.abc import Mapping

from ovapi.language.offered_tools import ANY
from ovapi.language.parsing.channels import FUNCTIONARY, HARMONY, ChannelFormat
from ovapi.language.tools.calls import ToolFormat
from ovapi.language.tools.either_calls import EitherCalls
from ovapi.language.tools.gemma_calls import GemmaCalls
from ovapi.language.tools.json_calls import JsonCalls
from ovapi.language.tools.named_json import NamedJson
from ovapi.language.tools.parameter_calls import ParameterCalls
from ovapi.language.tools.python_calls import PythonCalls

_STRING = frozenset(["string"])


def _functions(opener: str, closer: str, lines: bool) -> ParameterCalls:
    """Qwen3-Coder's tags. The outer one is sometimes forgotten."""
    return ParameterCalls(
        openers=(opener, "<function="),
        call_opener="<function=",
        name_end=">",
        key_opener="<parameter=",
        key_ends={">": None},
        value_closer="</parameter>",
        call_closer="</function>",
        section_end=closer,
        lines=lines,
    )


_LLAMA_JSON = JsonCalls(closers=("<|eom_id|>",), bare=True)

FORMATS: Mapping[str, ToolFormat | ChannelFormat] = {
    "apriel": JsonCalls(("<tool_calls>",), ("</tool_calls>",)),
    "command-r-plus": JsonCalls(
        ("Action:```json", "Action: ```json", "Action:\n```json"), ("```",)
    ),
    "command-r7b": JsonCalls(("<|START_ACTION|>",), ("<|END_ACTION|>",)),
    "deepseek-r1": NamedJson(
        openers=("<｜tool▁calls▁begin｜>",),
        call_opener="<｜tool▁call▁begin｜>",
        header=re.compile(r"\s*function<｜tool▁sep｜>(?P<name>\S+)\s*"),
        header_ends=("```json",),
        closers=("```", "<｜tool▁call▁end｜>"),
        section_end="<｜tool▁calls▁end｜>",
    ),
    "deepseek-v3.1": NamedJson(
        openers=("<｜tool▁calls▁begin｜>",),
        call_opener="<｜tool▁call▁begin｜>",
        header_ends=("<｜tool▁sep｜>",),
        closers=("<｜tool▁call▁end｜>",),
        section_end="<｜tool▁calls▁end｜>",
    ),
    "deepseek-v3.2": ParameterCalls(
        openers=("<｜DSML｜function_calls>",),
        call_opener='<｜DSML｜invoke name="',
        name_end='">',
        key_opener='<｜DSML｜parameter name="',
        key_ends={'" string="true">': _STRING, '" string="false">': ANY, '">': None},
        value_closer="</｜DSML｜parameter>",
        call_closer="</｜DSML｜invoke>",
        section_end="</｜DSML｜function_calls>",
    ),
    "functionary": FUNCTIONARY,
    "gemma": GemmaCalls(),
    "glm": ParameterCalls(
        openers=("<tool_call>",),
        key_opener="<arg_key>",
        key_ends={"</arg_key>": None},
        value_opener="<arg_value>",
        value_closer="</arg_value>",
        call_closer="</tool_call>",
    ),
    "granite": JsonCalls(("<|tool_call|>", "<tool_call>"), ("</tool_call>",)),
    "harmony": HARMONY,
    "hermes": JsonCalls(("<tool_call>",), ("</tool_call>",)),
    "kimi": NamedJson(
        openers=("<|tool_calls_section_begin|>",),
        call_opener="<|tool_call_begin|>",
        header=re.compile(r"\s*(?:functions\.)?(?P<name>[^\s:]+)(?::\d+)?\s*"),
        header_ends=("<|tool_call_argument_begin|>",),
        closers=("<|tool_call_end|>",),
        section_end="<|tool_calls_section_end|>",
    ),
    "lfm2": PythonCalls(openers=("<|tool_call_start|>",), after=("]", "<|tool_call_end|>")),
    "llama3": EitherCalls(
        _LLAMA_JSON,
        PythonCalls(before=(), after=("<|eom_id|>",), separator=";", suffix=".call"),
        openers=("<|python_tag|>",),
        starts=("{",),
    ),
    "llama4": EitherCalls(
        _LLAMA_JSON, PythonCalls(), openers=("<|python_start|>",), starts=("{", "[")
    ),
    "minicpm3": PythonCalls(
        openers=("<|tool_call_start|>",),
        before=("```python",),
        after=("```", "<|tool_call_end|>"),
        separator="\n",
    ),
    "minicpm5": ParameterCalls(
        openers=('<function name="',),
        call_opener='<function name="',
        name_end='">',
        key_opener='<param name="',
        key_ends={'">': None},
        value_closer="</param>",
        call_closer="</function>",
        cdata=True,
    ),
    "minimax": ParameterCalls(
        openers=("<minimax:tool_call>",),
        call_opener='<invoke name="',
        name_end='">',
        key_opener='<parameter name="',
        key_ends={'">': None},
        value_closer="</parameter>",
        call_closer="</invoke>",
        section_end="</minimax:tool_call>",
    ),
    "mistral": NamedJson(
        openers=("[TOOL_CALLS]",),
        header=re.compile(
            r"\s*(?P<name>[^\s\[]+)\s*(?:\[CALL_ID\](?:(?P<id>[A-Za-z0-9]{9})|.*))?", re.DOTALL
        ),
        header_ends=("[ARGS]",),
    ),
    "mistral-list": JsonCalls(("[TOOL_CALLS]",)),
    "nemotron-v2": JsonCalls(("<TOOLCALL>",), ("</TOOLCALL>",)),
    "phi4-mini": JsonCalls(("functools",)),
    "qwen3-coder": _functions("<tool_call>", "</tool_call>", lines=True),
    "seed": _functions("<seed:tool_call>", "</seed:tool_call>", lines=False),
}
