"""POST /api/chat: Ollama's answer to a conversation."""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from typing import Any

from ovapi.api.ollama.encoder import OllamaEncoder, Stopwatch
from ovapi.api.ollama.generation_handler import OllamaGenerationHandler
from ovapi.api.ollama.options import sampling, template_args
from ovapi.core import ChatPrompt, GenerateRequest, Message, ToolCall


class Chat(OllamaGenerationHandler):
    async def post(self) -> None:
        stopwatch = Stopwatch()
        body = await self.read_json("ollama/chat_request")
        model = self.model(body["model"])
        if not body.get("messages"):
            await self.answer_without_prompt(model, body, form)
            return
        prompt = ChatPrompt(messages(body), template_args=template_args(body))
        params = sampling(body, model.defaults)
        request = GenerateRequest(f"chat-{secrets.token_hex(12)}", prompt, params)
        answer = OllamaEncoder(body["model"], form, stopwatch)
        async with self.staying(model, body):
            stopwatch.submitted()
            await self.generate(model, [request], answer, body.get("stream") is not False)


def form(text: str) -> dict[str, Any]:
    return {"message": {"role": "assistant", "content": text}}


def messages(body: Mapping[str, Any]) -> tuple[Message, ...]:
    return tuple(
        Message(
            role=item["role"],
            content=item.get("content") or "",
            name=item.get("tool_name"),
            tool_calls=tuple(map(_call, item.get("tool_calls") or ())),
            tool_call_id=item.get("tool_call_id"),
        )
        for item in body["messages"]
    )


def _call(call: Mapping[str, Any]) -> ToolCall:
    """Ollama's arguments are an object, ours the text that the model wrote."""
    function = call["function"]
    arguments = json.dumps(function.get("arguments") or {}, ensure_ascii=False)
    return ToolCall(call.get("id") or "", function["name"], arguments)
