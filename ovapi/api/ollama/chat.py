"""POST /api/chat: Ollama's answer to a conversation."""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from typing import Any

from ovapi.api.ollama.encoder import OllamaEncoder, Stopwatch
from ovapi.api.ollama.forms import chat_form
from ovapi.api.ollama.generation_handler import OllamaGenerationHandler
from ovapi.api.ollama.options import sampling, template_args
from ovapi.core import (
    ChatPrompt,
    GenerateRequest,
    Message,
    Parsing,
    SamplingParams,
    ToolCall,
)
from ovapi.language.offered_tools import tool_definition


class Chat(OllamaGenerationHandler):
    operation = "chat"

    async def post(self) -> None:
        stopwatch = Stopwatch()
        body = await self.read_json("ollama/chat_request")
        model = self.model(body["model"])
        if not body.get("messages"):
            await self.answer_without_prompt(model, body, chat_form)
            return
        request = decode(body, model.defaults)
        answer = OllamaEncoder(body["model"], chat_form, stopwatch)
        async with self.staying(model, body):
            stopwatch.submitted()
            await self.generate(model, [request], answer, body.get("stream") is not False)


def decode(body: Mapping[str, Any], defaults: SamplingParams) -> GenerateRequest:
    """A body that has passed the schema → what to ask of the engine."""
    tools = tuple(tool_definition(tool["function"]) for tool in body.get("tools") or ())
    return GenerateRequest(
        f"chat-{secrets.token_hex(12)}",
        ChatPrompt(messages(body), tools, template_args(body)),
        sampling(body, defaults),
        parsing=Parsing(tools),
    )


def messages(body: Mapping[str, Any]) -> tuple[Message, ...]:
    return tuple(
        Message(
            role=item["role"],
            content=item.get("content") or "",
            name=item.get("tool_name"),
            tool_calls=tuple(map(_call, item.get("tool_calls") or ())),
            tool_call_id=item.get("tool_call_id"),
            reasoning=item.get("thinking") if item["role"] == "assistant" else None,
        )
        for item in body["messages"]
    )


def _call(call: Mapping[str, Any]) -> ToolCall:
    """Ollama's arguments are an object, ours the text that the model wrote."""
    function = call["function"]
    arguments = json.dumps(function.get("arguments") or {}, ensure_ascii=False)
    return ToolCall(call.get("id") or "", function["name"], arguments)
