"""What goes over the pipe to a child that generates, and back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ovapi.core import Delta, Event, GenerateRequest, Prompt
from ovapi.engine.base import EngineStats
from ovapi.errors import ApiError


@dataclass(frozen=True, slots=True)
class SharePrompt:
    """Several requests have this prompt: from now on its number stands for it."""

    number: int
    prompt: Prompt


@dataclass(frozen=True, slots=True)
class ForgetPrompt:
    """No more requests will refer to the prompt `number`."""

    number: int


@dataclass(frozen=True, slots=True)
class Submit:
    """`given` are tokens that the request has got from an engine that is no more.

    `shared` is the number of its prompt, if the child has that; `request` is without it then.
    """

    request: GenerateRequest
    given: tuple[int, ...] = ()
    shared: int | None = None


@dataclass(frozen=True, slots=True)
class Cancel:
    """Forget a generation or a tokenization."""

    request_id: str


@dataclass(frozen=True, slots=True)
class Tokenize:
    """Answered by a Reply of the same id, with a tuple of ids.

    `caller` is whose turn it takes; `subject` what log lines are about meanwhile.
    """

    request_id: str
    caller: str
    subject: Mapping[str, str]
    prompt: Prompt
    add_special_tokens: bool


@dataclass(frozen=True, slots=True)
class Detokenize:
    """Answered by a Reply of the same id, with a text."""

    request_id: str
    caller: str
    subject: Mapping[str, str]
    ids: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class StepReport:
    """All events since the last one, as (request id, event), in order."""

    events: tuple[tuple[str, Event], ...]
    stats: EngineStats

    def __reduce__(self) -> tuple[Callable[..., StepReport], tuple[object, ...]]:
        """Every step has one and every token is in one: plain values cross at half the cost."""
        stats = self.stats
        events = [(request_id, *_flat(event)) for request_id, event in self.events]
        return _stepped, (events, stats.running, stats.waiting, stats.cache_usage)


def _flat(event: Event) -> tuple[Any, ...]:
    if isinstance(event, Delta):
        return (event.text, event.token_ids, event.logprobs, event.index)
    return (event,)


def _stepped(events: list[tuple[Any, ...]], *stats: Any) -> StepReport:
    whole = [(one[0], one[1] if len(one) == 2 else Delta(*one[1:])) for one in events]
    return StepReport(tuple(whole), EngineStats(*stats))


@dataclass(frozen=True, slots=True)
class RequestsLost:
    """A step has failed: the engine works again, but has none of the requests `ids` any more.

    A Submit that crosses this message on its way is not among them, and is obeyed after it.
    """

    ids: frozenset[str]


@dataclass(frozen=True, slots=True)
class Reply:
    request_id: str
    result: tuple[int, ...] | str | ApiError
