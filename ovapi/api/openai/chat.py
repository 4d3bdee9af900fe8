"""POST /v1/chat/completions: OpenAI's chat, the JSON on both sides of `GenerationHandler`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from ovapi.api.openai.encoder import Choice, CompletionRequest, OpenAIEncoder, delivery
from ovapi.api.openai.message_pieces import MessageForm, MessagePieces
from ovapi.api.openai.messages import messages
from ovapi.api.openai.reasoning import shown_in, template_args
from ovapi.api.openai.sampling import sampling, seeded
from ovapi.api.openai.tools import tool_use
from ovapi.api.openai.wire import new_id, token_logprobs
from ovapi.core import ChatPrompt, Delta, Finished, GenerateRequest, SamplingParams
from ovapi.http.generation_handler import GenerationHandler
from ovapi.language.events import ParsedDelta


class ChatCompletions(GenerationHandler):
    operation = "chat"

    async def post(self) -> None:
        body = await self.read_json("openai/chat_request")
        model = self.context.registry.get(body.get("model"))
        call = decode(body, model.defaults, new_id("chatcmpl"))
        form = MessageForm(
            reasoning=shown_in(body, model.config.reasoning_field),
            legacy=bool(body.get("functions")),
        )
        answer = ChatEncoder(call, model.name, bool(body.get("logprobs")), form)
        await self.generate(model, call.requests, answer, call.stream, call.timeout)


def decode(body: Mapping[str, Any], defaults: SamplingParams, call_id: str) -> CompletionRequest:
    """A body that has passed the schema → what to ask of the engine. Raises InvalidRequest.

    `n` choices are as many requests, so that they stream; a beam search is a single one.
    """
    return CompletionRequest(
        id=call_id,
        requests=tuple(_requests(body, defaults, call_id)),
        choices=body.get("n") or 1,
        **delivery(body),
    )


def _requests(
    body: Mapping[str, Any], defaults: SamplingParams, call_id: str
) -> Iterator[GenerateRequest]:
    params = replace(sampling(body, defaults), logprobs=bool(body.get("logprobs")))
    use = tool_use(body)
    prompt = ChatPrompt(messages(body["messages"]), use.tools, template_args(body))
    count = 1 if params.beams else body.get("n") or 1
    for choice in range(count):
        yield GenerateRequest(
            id=f"{call_id}-{choice}",
            prompt=prompt,
            sampling=seeded(params, choice),
            truncate_prompt_tokens=body.get("truncate_prompt_tokens"),
            parsing=use.parsing,
        )


class ChatEncoder(OpenAIEncoder):
    """One answer to `call`, as a `chat.completion` or as its chunks."""

    def __init__(
        self,
        call: CompletionRequest,
        model: str,
        logprobs: bool = False,
        form: MessageForm = MessageForm(),  # noqa: B008 it is immutable
    ) -> None:
        kind = "chat.completion.chunk" if call.stream else "chat.completion"
        super().__init__(call, model, kind)
        self._wants_logprobs = logprobs
        self._form = form
        self._begun: set[int] = set()

    def pieces(self, index: int, what: Delta | Finished) -> Iterator[dict[str, Any]]:
        if index not in self._begun:
            self._begun.add(index)
            yield self._piece(index, {"role": "assistant", "content": "", "refusal": None})
        if isinstance(what, Finished):
            yield self._piece(index, {}, finish_reason=self._form.finish_reason(what.reason))
        elif isinstance(what, ParsedDelta):
            yield from self._parsed(index, what)
        elif what.text or (what.logprobs and self._wants_logprobs):
            yield self._piece(index, {"content": what.text}, self._logprobs([what]))

    def _parsed(self, index: int, what: ParsedDelta) -> Iterator[dict[str, Any]]:
        """The log-probabilities of all its tokens go with the first piece."""
        deltas = [delta for part in what.parts if (delta := self._form.delta(part))]
        logprobs = self._logprobs([what])
        if not deltas and what.logprobs and logprobs:
            deltas = [{"content": ""}]
        for delta in deltas:
            yield self._piece(index, delta, logprobs)
            logprobs = None

    def _piece(
        self,
        index: int,
        delta: dict[str, Any],
        logprobs: dict[str, Any] | None = None,
        finish_reason: str | None = None,
    ) -> dict[str, Any]:
        head = {"index": index, "delta": delta, "logprobs": logprobs}
        return {**head, "finish_reason": finish_reason}

    def whole(self, index: int, choice: Choice) -> dict[str, Any]:
        message = MessagePieces(choice.deltas).message(self._form)
        return {
            "index": index,
            "message": {"role": "assistant", "content": None, "refusal": None, **message},
            "logprobs": self._logprobs(choice.deltas),
            "finish_reason": self._form.finish_reason(choice.finish_reason),
        }

    def _logprobs(self, deltas: Iterable[Delta]) -> Any:
        if not self._wants_logprobs:
            return None
        shown = (delta for delta in deltas if not self._form.hides(delta))
        tokens = [token for delta in shown for token in delta.logprobs]
        return {"content": token_logprobs(tokens), "refusal": None}
