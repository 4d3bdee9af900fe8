"""OllamaEncoder: an answer as Ollama sends it, in lines of JSON or in one object."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from typing import Any

from ovapi.api.ollama.forms import Form, Pieces, Said, joined
from ovapi.api.ollama.handler import ollama_error, timestamp
from ovapi.core import Delta, Event, Finished, TokenLogprob
from ovapi.errors import ApiError
from ovapi.http.answer.encoder import EventBatch
from ovapi.http.answer.json_encoder import encode_json, json_logprob, json_parts

NDJSON = "application/x-ndjson"


class Stopwatch:
    """Nanoseconds of a request, seen from outside: they include waiting in the queue."""

    def __init__(self) -> None:
        self._start = self._submitted = time.perf_counter_ns()
        self._first: int | None = None

    def submitted(self) -> None:
        """The model has the request from now on."""
        self._submitted = time.perf_counter_ns()

    def token(self) -> None:
        """There are new tokens."""
        if self._first is None:
            self._first = time.perf_counter_ns()

    def durations(self) -> tuple[int, int, int, int]:
        """In all; until the model had the request; until the first token; from there on.

        The last is never 0, since clients divide by it.
        """
        now = time.perf_counter_ns()
        first = self._first if self._first is not None else now
        loaded, prompt = self._submitted - self._start, first - self._submitted
        return now - self._start, loaded, prompt, max(now - first, 1)


class OllamaEncoder:
    """One answer of `model`, which is the name that the request had; see `answer.ResponseEncoder`.

    `context`, if there is one, holds the prompt's token ids, and takes up those of the answer.
    """

    content_type = NDJSON
    keep_alive = b" "  # before a line's JSON; a line without any would break clients

    def __init__(
        self, model: str, form: Form, stopwatch: Stopwatch, context: list[int] | None = None
    ) -> None:
        self._model = model
        self._form = form
        self._stopwatch = stopwatch
        self._context = context
        self._pieces = Pieces()
        self._said: list[Said] = []
        self._logprobs: list[TokenLogprob] = []
        self._last: dict[str, Any] = {}

    # --- streamed ---

    def encode(self, batch: EventBatch) -> bytes:
        self._note(batch)
        return b"".join([line for _, what in batch for line in self._lines(what)])

    def _lines(self, what: Event) -> Iterator[bytes]:
        if isinstance(what, Finished):
            for said in self._pieces.rest():
                yield _line({**self._head(said), "done": False})
            yield _line({**self._head(Said()), "done": True, **self._last})
        elif isinstance(what, Delta):
            yield from self._delta_lines(what)

    def _delta_lines(self, delta: Delta) -> Iterator[bytes]:
        """The log-probabilities of all its tokens are in the first line."""
        pieces = self._pieces.of(delta)
        if not pieces and delta.logprobs:
            pieces = [Said()]
        tokens = delta.logprobs
        for said in pieces:
            yield _line({**self._head(said), **_logprobs(tokens), "done": False})
            tokens = ()

    def end(self) -> bytes:
        return b""

    def error(self, error: ApiError) -> bytes:
        return _line(ollama_error(error))

    # --- whole ---

    def add(self, batch: EventBatch) -> None:
        self._note(batch)
        for _, what in batch:
            if isinstance(what, Delta):
                self._said += self._pieces.of(what)
                self._logprobs += what.logprobs
            elif isinstance(what, Finished):
                self._said += self._pieces.rest()

    def body(self) -> Iterator[bytes]:
        said, tokens = self._head(joined(self._said)), _logprobs(self._logprobs)
        yield from json_parts({**said, **tokens, "done": True, **self._last})

    # --- both ---

    def _head(self, said: Said) -> dict[str, Any]:
        return {"model": self._model, "created_at": timestamp(), **self._form(said)}

    def _note(self, batch: EventBatch) -> None:
        for _, what in batch:
            if isinstance(what, Delta):
                self._stopwatch.token()
                if self._context is not None:
                    self._context += what.token_ids
            elif isinstance(what, Finished):
                self._last = self._summary(what)

    def _summary(self, what: Finished) -> dict[str, Any]:
        total, loaded, prompt, answer = self._stopwatch.durations()
        return {
            "done_reason": "stop" if what.reason == "tool_calls" else what.reason,
            **({} if self._context is None else {"context": self._context}),
            "total_duration": total,
            "load_duration": loaded,
            "prompt_eval_count": what.usage.prompt_tokens,
            "prompt_eval_duration": prompt,
            "eval_count": what.usage.completion_tokens,
            "eval_duration": answer,
        }


def without_prompt(model: str, form: Form, reason: str) -> dict[str, Any]:
    """The answer to a request that only loads or unloads the model: `reason` says which."""
    head = {"model": model, "created_at": timestamp(), **form(Said())}
    return {**head, "done": True, "done_reason": reason}


def _logprobs(tokens: Iterable[TokenLogprob]) -> dict[str, Any]:
    """The field `logprobs`, absent where there are none."""
    entries = [
        {"token": one.token, "logprob": json_logprob(one.logprob), "bytes": list(one.bytes)}
        for one in tokens
    ]
    return {"logprobs": entries} if entries else {}


def _line(value: dict[str, Any]) -> bytes:
    return encode_json(value) + b"\n"
