"""Models of several families, as engines describe them."""

from __future__ import annotations

from dataclasses import replace

from ovapi.core import Accepted, Delta, Event, Finished, FinishReason, Usage
from ovapi.engine.base import EngineState
from ovapi.language.families import named
from ovapi.language.model_language import ModelLanguage
from tests.support.fake_engine import INFO, FakeEngine

HERMES = ModelLanguage(named("hermes"), knows_tools=True, special=("<|im_end|>",))
QWEN_CODER = ModelLanguage(named("qwen3-coder"), knows_tools=True, special=("<|im_end|>",))
KIMI = ModelLanguage(
    named("kimi-k2"),
    knows_tools=True,
    special=(
        "<|im_end|>",
        "<|tool_calls_section_begin|>",
        "<|tool_calls_section_end|>",
        "<|tool_call_begin|>",
        "<|tool_call_argument_begin|>",
        "<|tool_call_end|>",
    ),
)
"""A family whose markers are special tokens."""
MISTRAL = ModelLanguage(
    named("devstral"), knows_tools=True, special=("</s>", "[TOOL_CALLS]", "[ARGS]", "[THINK]")
)
HARMONY = ModelLanguage(
    named("gpt-oss"),
    knows_tools=True,
    special=("<|start|>", "<|end|>", "<|message|>", "<|channel|>", "<|call|>", "<|return|>"),
)


def speak(engine: FakeEngine, language: ModelLanguage | None) -> None:
    """From now on the engine's model writes so."""
    engine.state = EngineState("ready", info=replace(INFO, language=language))


def said(
    text: str, reason: FinishReason = "stop", prompt_end: str = "", size: int = 3
) -> list[Event]:
    """The events of a choice that says `text`, in tokens of `size` characters."""
    pieces = [text[start : start + size] for start in range(0, len(text), size)]
    deltas = [Delta(piece, (number,)) for number, piece in enumerate(pieces)]
    return [Accepted(7, prompt_end), *deltas, Finished(reason, Usage(7, len(pieces)))]
