"""POST /v1/completions: OpenAI's text completions, which continue a prompt without a template."""

from __future__ import annotations

import codecs
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import product
from typing import Any

from ovapi.api.openai.encoder import Choice, CompletionRequest, OpenAIEncoder, delivery
from ovapi.api.openai.sampling import sampling, seeded
from ovapi.api.openai.wire import new_id
from ovapi.core import (
    Delta,
    Finished,
    GenerateRequest,
    SamplingParams,
    TextPrompt,
    TokenLogprob,
    TokenPrompt,
)
from ovapi.http.answer.error_responses import refuse
from ovapi.http.answer.json_encoder import json_logprob
from ovapi.http.generation_handler import GenerationHandler

MAX_CHOICES = 2048
"""Prompts times `n`: what one request may ask for at all."""


class Completions(GenerationHandler):
    async def post(self) -> None:
        body = await self.read_json("openai/completion_request")
        model = self.context.registry.get(body.get("model"))
        call = decode(body, model.defaults, new_id("cmpl"))
        answer = CompletionEncoder(call, model.name, body.get("logprobs"))
        await self.generate(model, call.requests, answer, call.stream, call.timeout)


def decode(body: Mapping[str, Any], defaults: SamplingParams, call_id: str) -> CompletionRequest:
    """A body that has passed the schema → what to ask of the engine. Raises InvalidRequest.

    Choice i of prompt p is number p * `n` + i.
    """
    params = replace(sampling(body, defaults), logprobs=body.get("logprobs") is not None)
    _check(body, params)
    choices = body.get("n") or 1
    prompts = _prompts(body["prompt"], MAX_CHOICES // choices)
    request = GenerateRequest(
        id=call_id,
        prompt=prompts[0],
        sampling=params,
        echo=bool(body.get("echo")),
        truncate_prompt_tokens=body.get("truncate_prompt_tokens"),
    )
    requests = _requests(request, prompts, 1 if params.beams else choices)
    return CompletionRequest(call_id, tuple(requests), choices, len(prompts), **delivery(body))


def _requests(
    pattern: GenerateRequest, prompts: Sequence[TextPrompt | TokenPrompt], each: int
) -> Iterator[GenerateRequest]:
    """`pattern` for each of the prompts, `each` times, with ids and seeds of their own."""
    for number, (prompt, choice) in enumerate(product(prompts, range(each))):
        params = seeded(pattern.sampling, choice)
        yield replace(pattern, id=f"{pattern.id}-{number}", prompt=prompt, sampling=params)


def _check(body: Mapping[str, Any], params: SamplingParams) -> None:
    if params.max_tokens == 0 and not body.get("echo"):
        refuse("max_tokens", "must be at least 1 unless 'echo' is true")
    if body.get("logprobs") and (params.temperature > 0 or params.beams):
        refuse(
            "logprobs",
            "above 0 requires 'temperature': 0. The engine returns the log-probability of the "
            "chosen token only, which is not always the likeliest one: use 0",
        )


def _prompts(given: str | list[Any], most: int) -> list[TextPrompt | TokenPrompt]:
    """One prompt as text or token ids, or several in a list, at `most` so many."""
    if isinstance(given, str):
        return [TextPrompt(given)]
    kinds = set(map(type, given))
    if len(kinds) > 1:
        refuse("prompt", "must not mix strings, token ids and arrays")
    if kinds == {int}:
        return [TokenPrompt(tuple(given))]
    if len(given) > most:
        refuse(
            "prompt", f"times 'n' exceeds {MAX_CHOICES} choices: send fewer prompts or lower 'n'"
        )
    return [TextPrompt(one) if isinstance(one, str) else TokenPrompt(tuple(one)) for one in given]


class CompletionEncoder(OpenAIEncoder):
    """One answer to `call`, as a `text_completion` or as its chunks."""

    def __init__(self, call: CompletionRequest, model: str, logprobs: int | None = None) -> None:
        super().__init__(call, model, "text_completion")
        self._alternatives = logprobs
        self._offsets = [_Offsets() for _ in self._choices]

    def pieces(self, index: int, what: Delta | Finished) -> Iterator[dict[str, Any]]:
        if isinstance(what, Finished):
            yield self._piece(index, "", None, what.reason)
        elif what.text or (what.logprobs and self._alternatives is not None):
            yield self._piece(index, what.text, self._logprobs(index, [what]), None)

    def whole(self, index: int, choice: Choice) -> dict[str, Any]:
        logprobs = self._logprobs(index, choice.deltas)
        return self._piece(index, choice.text, logprobs, choice.finish_reason)

    def _piece(self, index: int, text: str, logprobs: Any, reason: str | None) -> dict[str, Any]:
        return {"index": index, "text": text, "logprobs": logprobs, "finish_reason": reason}

    def _logprobs(self, index: int, deltas: Iterable[Delta]) -> dict[str, Any] | None:
        if self._alternatives is None:
            return None
        deltas = list(deltas)
        tokens = [token for delta in deltas for token in delta.logprobs]
        likeliest = [_likeliest(token, delta) for delta in deltas for token in delta.logprobs]
        return {
            "tokens": [token.token for token in tokens],
            "token_logprobs": [json_logprob(token.logprob) for token in tokens],
            "top_logprobs": likeliest if self._alternatives else None,
            "text_offset": [self._offsets[index].next(token.bytes) for token in tokens],
        }


class _Offsets:
    """Where each token begins in its choice's text, in characters; a token may be part of one."""

    def __init__(self) -> None:
        self._decode = codecs.getincrementaldecoder("utf-8")("replace").decode
        self._length = 0

    def next(self, token: bytes) -> int:
        start = self._length
        self._length += len(self._decode(token))
        return start


def _likeliest(token: TokenLogprob, delta: Delta) -> dict[str, float | None] | None:
    """Greedy, a generated token is the likeliest; of the echoed prompt nobody knows."""
    return {token.token: json_logprob(token.logprob)} if delta.token_ids else None
