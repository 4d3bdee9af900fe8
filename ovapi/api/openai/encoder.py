"""OpenAIEncoder: an answer in OpenAI's form, whole or as chunks; a dialect adds its choices."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ovapi.api.openai.wire import DONE, EVENT_STREAM, FINGERPRINT, KEEP_ALIVE, UsageTally, event
from ovapi.core import Accepted, Delta, Event, Finished, GenerateRequest
from ovapi.errors import ApiError
from ovapi.http.answer.encoder import EventBatch
from ovapi.http.answer.error_responses import openai_error, refuse
from ovapi.http.answer.json_encoder import encode_json, json_parts


@dataclass(frozen=True, slots=True)
class CompletionRequest:
    """A decoded request: `choices` answers to each of `prompts`, and how and when to send them."""

    id: str
    requests: tuple[GenerateRequest, ...]
    choices: int
    prompts: int = 1
    stream: bool = False
    include_usage: bool = False
    continuous_usage: bool = False
    timeout: float | None = None


def delivery(body: Mapping[str, Any]) -> dict[str, Any]:
    """What `body` says of the stream and of `timeout`. Raises InvalidRequest."""
    stream, options = bool(body.get("stream")), body.get("stream_options")
    if options is not None and not stream:
        refuse("stream_options", "is only allowed with 'stream': true")
    return {
        "stream": stream,
        "include_usage": bool((options or {}).get("include_usage")),
        "continuous_usage": bool((options or {}).get("continuous_usage_stats")),
        "timeout": body.get("timeout"),
    }


@dataclass(slots=True)
class Choice:
    """What a choice of a whole answer has come to so far."""

    deltas: list[Delta] = field(default_factory=list)
    finish_reason: str | None = None

    @property
    def text(self) -> str:
        return "".join([delta.text for delta in self.deltas])


class OpenAIEncoder(ABC):
    """One answer to `call`; see `ResponseEncoder`. Choices are numbered through the prompts."""

    content_type = EVENT_STREAM
    keep_alive = KEEP_ALIVE

    def __init__(self, call: CompletionRequest, model: str, kind: str) -> None:
        self._call = call
        self._choices = [Choice() for _ in range(call.prompts * call.choices)]
        self._usage = UsageTally(call.choices)
        self._head = {
            "id": call.id,
            "object": kind,
            "created": int(time.time()),
            "model": model,
            "system_fingerprint": FINGERPRINT,
        }
        tail = {"usage": None} if call.include_usage or call.continuous_usage else {}
        # every chunk is the same before and after its one choice
        chunk = event({**self._head, "choices": [], **tail})
        self._before, _, self._after = chunk.rpartition(b"[]")

    @abstractmethod
    def pieces(self, index: int, what: Delta | Finished) -> Iterator[dict[str, Any]]:
        """What chunks say of choice `index` when that happens to it."""

    @abstractmethod
    def whole(self, index: int, choice: Choice) -> dict[str, Any]:
        """Choice `index` of a whole answer."""

    # --- streamed ---

    def encode(self, batch: EventBatch) -> bytes:
        return b"".join([chunk for one in batch for chunk in self._chunks(*one)])

    def end(self) -> bytes:
        if not self._call.include_usage:
            return DONE
        return event({**self._head, "choices": [], "usage": self._usage.as_json()}) + DONE

    def error(self, error: ApiError) -> bytes:
        return event(openai_error(error))

    def _chunks(self, index: int, what: Event) -> Iterator[bytes]:
        self._count(index, what)
        if isinstance(what, (Delta, Finished)):
            after = self._after if not self._call.continuous_usage else self._usage_so_far()
            for piece in self.pieces(index, what):
                yield b"%b[%b]%b" % (self._before, encode_json(piece), after)

    def _count(self, index: int, what: Event) -> None:
        if isinstance(what, Finished):
            self._usage.add(index, what.usage)
        elif isinstance(what, Delta):
            self._usage.generate(len(what.token_ids))
        elif isinstance(what, Accepted):
            self._usage.accept(index, what.prompt_tokens)

    def _usage_so_far(self) -> bytes:
        """What comes after a chunk's choice where each chunk has the usage, not null."""
        return self._after.replace(b"null", encode_json(self._usage.so_far()))

    # --- whole ---

    def add(self, batch: EventBatch) -> None:
        for index, what in batch:
            if isinstance(what, Delta):
                self._choices[index].deltas.append(what)
            elif isinstance(what, Finished):
                self._choices[index].finish_reason = what.reason
                self._usage.add(index, what.usage)

    def body(self) -> Iterator[bytes]:
        empty = encode_json({**self._head, "choices": [], "usage": self._usage.as_json()})
        before, _, after = empty.rpartition(b"[]")
        yield before
        for index, choice in enumerate(self._choices):
            yield b"," if index else b"["
            yield from json_parts(self.whole(index, choice))
        yield b"]" + after
