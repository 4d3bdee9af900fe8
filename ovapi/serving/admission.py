"""Gate: how much an engine has in hand, and whether it may get more."""

from __future__ import annotations

from dataclasses import dataclass

from ovapi.core import ChatPrompt, GenerateRequest, TextPrompt

CHARACTERS_PER_TOKEN = 4
"""A guess, until the engine has counted a prompt's tokens."""


@dataclass(frozen=True, slots=True)
class Demand:
    """What a request asks of an engine: sequences that decode, and tokens of cache at most."""

    sequences: int
    tokens: int


class AdmissionControl:
    """What is under way. Belongs to the event loop's thread."""

    def __init__(self) -> None:
        self._requests = 0
        self._sequences = 0
        self._tokens = 0

    def __len__(self) -> int:
        return self._requests

    def admits(self, demand: Demand, sequences: int, tokens: int | None) -> bool:
        """Whether `demand` keeps it all within `sequences` and `tokens`.

        What exceeds them on its own may go alone.
        """
        if not self._requests:
            return True
        if self._sequences + demand.sequences > sequences:
            return False
        return tokens is None or self._tokens + demand.tokens <= tokens

    def enter(self, demand: Demand) -> None:
        self._requests += 1
        self._sequences += demand.sequences
        self._tokens += demand.tokens

    def leave(self, demand: Demand) -> None:
        self._requests -= 1
        self._sequences -= demand.sequences
        self._tokens -= demand.tokens


def demand_of(
    request: GenerateRequest, context: int | None, prompt_tokens: int | None = None
) -> Demand:
    """The most that `request` may come to; without `prompt_tokens` its prompt's part is a guess.

    A prompt that others begin with too counts in full for each, though the cache holds it once.
    """
    prompt = prompt_tokens if prompt_tokens is not None else _guess(request)
    answer = request.sampling.max_tokens
    whole = prompt + answer if answer is not None else context or prompt
    if context is not None:
        whole = min(whole, context)
    return Demand(request.width, prompt + (whole - prompt) * request.width)


def _guess(request: GenerateRequest) -> int:
    prompt = request.prompt
    if isinstance(prompt, ChatPrompt):
        characters = sum(len(message.content) for message in prompt.messages)
    elif isinstance(prompt, TextPrompt):
        characters = len(prompt.text)
    else:
        return len(prompt.ids)
    return characters // CHARACTERS_PER_TOKEN
