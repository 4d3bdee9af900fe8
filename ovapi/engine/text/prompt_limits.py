"""How long a prompt may be at all, so that none is sent and tokenized just to be refused."""

from __future__ import annotations

from ovapi.core import ChatPrompt, Prompt, TextPrompt, TokenPrompt
from ovapi.engine.base import EngineInfo
from ovapi.errors import ContextLengthExceeded

TOKENIZED_CONTEXTS = 4
"""So many may be tokenized where nothing is to be generated."""


def longest_text(tokens: int, token_bytes: int) -> int:
    """Characters that so many tokens of up to `token_bytes` cannot hold, with a wide margin."""
    return 2 * (tokens + 16) * token_bytes


def check_prompt(prompt: Prompt, truncate: int | None, info: EngineInfo) -> None:
    """Raise ContextLengthExceeded for a prompt that cannot fit, without tokenizing it.

    `truncate` is how many of its last tokens count, if not all do.
    """
    if isinstance(prompt, TokenPrompt):
        if truncate is None and len(prompt.ids) > info.context:
            raise too_long(prompt, info.context, len(prompt.ids))
    elif truncate is None or isinstance(prompt, ChatPrompt):
        check_text(prompt, info)


def check_text(prompt: Prompt, info: EngineInfo, contexts: int = 1) -> None:
    """Raise ContextLengthExceeded for text that has far more tokens than so many contexts."""
    if info.token_bytes is None or isinstance(prompt, TokenPrompt):
        return
    if _characters(prompt) > longest_text(contexts * info.context, info.token_bytes):
        raise too_long(prompt, info.context)


def _characters(prompt: ChatPrompt | TextPrompt) -> int:
    """So many it has at least: a template adds to its messages."""
    if isinstance(prompt, TextPrompt):
        return len(prompt.text)
    return sum(len(message.content) for message in prompt.messages)


def param_of(prompt: Prompt) -> str:
    return "messages" if isinstance(prompt, ChatPrompt) else "prompt"


def too_long(prompt: Prompt, context: int, tokens: int | None = None) -> ContextLengthExceeded:
    """The error for a prompt of `tokens` tokens; None: of far too many."""
    param, count = param_of(prompt), "far more" if tokens is None else tokens
    return ContextLengthExceeded(
        f"This model's maximum context length is {context} tokens. However, your {param} "
        f"resulted in {count} tokens. Please reduce the length of the {param}.",
        param=param,
    )
