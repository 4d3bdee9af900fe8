"""POST /api/generate: Ollama's answer to a single prompt."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from typing import Any

from ovapi import logs
from ovapi.api.ollama.encoder import OllamaEncoder, Stopwatch
from ovapi.api.ollama.forms import generate_form
from ovapi.api.ollama.generation_handler import OllamaGenerationHandler
from ovapi.api.ollama.options import sampling, template_args
from ovapi.core import ChatPrompt, GenerateRequest, Message, Parsing, TextPrompt, TokenPrompt
from ovapi.errors import InvalidRequest
from ovapi.serving.model import Model


class Generate(OllamaGenerationHandler):
    async def post(self) -> None:
        stopwatch = Stopwatch()
        body = await self.read_json("ollama/generate_request")
        model = self.model(body["model"])
        if not body.get("prompt"):
            await self.answer_without_prompt(model, body, generate_form)
            return
        async with self.staying(model, body):
            await self._reply(body, model, stopwatch)

    async def _reply(self, body: Mapping[str, Any], model: Model, stopwatch: Stopwatch) -> None:
        model.check_slots(1)  # nobody is tokenized for who would be refused
        with logs.about({"request": self.request_id}):
            prompt = await self._prompt(body, model)
        context = list(prompt.ids) if isinstance(prompt, TokenPrompt) else None
        answer = OllamaEncoder(body["model"], generate_form, stopwatch, context)
        params = sampling(body, model.defaults)
        name = f"generate-{secrets.token_hex(12)}"
        parsing = None if body.get("raw") else Parsing()
        request = GenerateRequest(name, prompt, params, parsing=parsing)
        stopwatch.submitted()
        await self.generate(model, [request], answer, body.get("stream") is not False)

    async def _prompt(self, body: Mapping[str, Any], model: Model) -> TextPrompt | TokenPrompt:
        """The prompt as it is, if it is `raw`; else token ids, since the answer tells them.

        Raises ApiErrors.
        """
        if body.get("raw"):
            _check_raw(body)
            return TextPrompt(body["prompt"])
        context = body.get("context") or ()
        _check_context(context, model)
        chat = ChatPrompt(_messages(body), template_args=template_args(body))
        asked = model.engine.tokenize(chat, caller=self.caller, deadline=self.deadline)
        ids = await self.while_here(asked)
        return TokenPrompt((*context, *ids))


def _check_context(context: Sequence[int], model: Model) -> None:
    """The engine would name the prompt that they become a part of."""
    info = model.engine.state.info
    for index, token in enumerate(context):
        if info is not None and token >= info.vocabulary:
            raise InvalidRequest(
                f"'context[{index}]' is not in the vocabulary of {info.vocabulary} tokens.",
                param=f"context[{index}]",
            )


def _messages(body: Mapping[str, Any]) -> tuple[Message, ...]:
    system = body.get("system")
    turn = Message("user", body["prompt"])
    return (Message("system", system), turn) if system else (turn,)


def _check_raw(body: Mapping[str, Any]) -> None:
    for name in ("system", "context"):
        if body.get(name):
            raise InvalidRequest("raw mode does not support system or context", param=name)
