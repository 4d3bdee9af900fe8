"""POST /v1/chat/completions: OpenAI's chat, the JSON on both sides of `GenerationHandler`."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from ovapi.api.failure import openai_error
from ovapi.api.generation import Batch, GenerationHandler
from ovapi.api.openai import (
    DONE,
    EVENT_STREAM,
    FINGERPRINT,
    KEEP_ALIVE,
    UsageTally,
    event,
    new_id,
    token_logprobs,
)
from ovapi.api.openai_messages import messages
from ovapi.api.openai_sampling import sampling, seeded
from ovapi.core import (
    ChatPrompt,
    Delta,
    Event,
    Finished,
    GenerateRequest,
    SamplingParams,
    TokenLogprob,
)
from ovapi.errors import ApiError, InvalidRequest


class ChatCompletions(GenerationHandler):
    async def post(self) -> None:
        body = await self.read_json("openai/chat_request")
        model = self.services.registry.get(body.get("model"))
        call = decode(body, model.defaults, new_id("chatcmpl"))
        answer = ChatAnswer(call, model.name)
        await self.generate(model, call.requests, answer, call.stream)


@dataclass(frozen=True, slots=True)
class ChatCall:
    """A decoded request: `choices` answers from `requests`, and how to send them."""

    id: str
    requests: tuple[GenerateRequest, ...]
    choices: int
    stream: bool = False
    include_usage: bool = False
    logprobs: bool = False


def decode(body: Mapping[str, Any], defaults: SamplingParams, call_id: str) -> ChatCall:
    """A body that has passed the schema → what to ask of the engine. Raises InvalidRequest.

    `n` choices are as many requests, so that they stream; a beam search is a single one.
    """
    stream = bool(body.get("stream"))
    options = body.get("stream_options")
    if options is not None and not stream:
        raise InvalidRequest(
            "'stream_options' goes with 'stream': true only: leave it out or stream.",
            param="stream_options",
            code="invalid_value",
        )
    return ChatCall(
        id=call_id,
        requests=tuple(_requests(body, defaults, call_id)),
        choices=body.get("n") or 1,
        stream=stream,
        include_usage=bool((options or {}).get("include_usage")),
        logprobs=bool(body.get("logprobs")),
    )


def _requests(
    body: Mapping[str, Any], defaults: SamplingParams, call_id: str
) -> Iterator[GenerateRequest]:
    params = replace(sampling(body, defaults), logprobs=bool(body.get("logprobs")))
    prompt = ChatPrompt(messages(body["messages"]), template_args=_template_args(body))
    count = 1 if params.beams else body.get("n") or 1
    for choice in range(count):
        yield GenerateRequest(
            id=f"{call_id}-{choice}",
            prompt=prompt,
            sampling=seeded(params, choice),
            truncate_prompt_tokens=body.get("truncate_prompt_tokens"),
        )


def _template_args(body: Mapping[str, Any]) -> Mapping[str, str | int | float | bool | None]:
    return dict(body.get("chat_template_kwargs") or {})


@dataclass(slots=True)
class _Choice:
    """What a choice has come to so far."""

    text: list[str] = field(default_factory=list)
    tokens: list[TokenLogprob] = field(default_factory=list)
    finish_reason: str | None = None
    begun: bool = False


class ChatAnswer:
    """One answer to `call`, as a `chat.completion` or as its chunks; see `generation.Answer`."""

    content_type = EVENT_STREAM
    keep_alive = KEEP_ALIVE

    def __init__(self, call: ChatCall, model: str) -> None:
        self._call = call
        self._choices = [_Choice() for _ in range(call.choices)]
        self._usage = UsageTally(call.choices)
        self._head = {
            "id": call.id,
            "object": "chat.completion.chunk" if call.stream else "chat.completion",
            "created": int(time.time()),
            "model": model,
            "system_fingerprint": FINGERPRINT,
        }
        self._tail: dict[str, None] = {"usage": None} if call.include_usage else {}

    # --- streamed ---

    def encode(self, batch: Batch) -> bytes:
        return b"".join([event(chunk) for one in batch for chunk in self._chunks(*one)])

    def end(self) -> bytes:
        if not self._call.include_usage:
            return DONE
        return event({**self._head, "choices": [], "usage": self._usage.as_json()}) + DONE

    def error(self, error: ApiError) -> bytes:
        return event(openai_error(error))

    def _chunks(self, index: int, what: Event) -> Iterator[dict[str, Any]]:
        if not isinstance(what, (Delta, Finished)):
            return
        choice = self._choices[index]
        if not choice.begun:
            choice.begun = True
            yield self._chunk(index, {"role": "assistant", "content": "", "refusal": None})
        if isinstance(what, Finished):
            self._usage.add(index, what.usage)
            yield self._chunk(index, {}, finish_reason=what.reason)
        elif what.text or (what.logprobs and self._call.logprobs):
            yield self._chunk(index, {"content": what.text}, self._logprobs(what.logprobs))

    def _chunk(
        self,
        index: int,
        delta: dict[str, Any],
        logprobs: dict[str, Any] | None = None,
        finish_reason: str | None = None,
    ) -> dict[str, Any]:
        choice = {"index": index, "delta": delta, "logprobs": logprobs}
        return {
            **self._head,
            "choices": [{**choice, "finish_reason": finish_reason}],
            **self._tail,
        }

    # --- whole ---

    def add(self, batch: Batch) -> None:
        for index, what in batch:
            choice = self._choices[index]
            if isinstance(what, Delta):
                choice.text.append(what.text)
                choice.tokens.extend(what.logprobs)
            elif isinstance(what, Finished):
                choice.finish_reason = what.reason
                self._usage.add(index, what.usage)

    def body(self) -> dict[str, Any]:
        choices = [self._whole(index, choice) for index, choice in enumerate(self._choices)]
        return {**self._head, "choices": choices, "usage": self._usage.as_json()}

    def _whole(self, index: int, choice: _Choice) -> dict[str, Any]:
        text = "".join(choice.text)
        return {
            "index": index,
            "message": {"role": "assistant", "content": text, "refusal": None},
            "logprobs": self._logprobs(choice.tokens),
            "finish_reason": choice.finish_reason,
        }

    def _logprobs(self, tokens: tuple[TokenLogprob, ...] | list[TokenLogprob]) -> Any:
        if not self._call.logprobs:
            return None
        return {"content": token_logprobs(tokens), "refusal": None}
