"""POST /tokenize and /detokenize, GET /tokenizer_info: a model's tokens, as vLLM serves them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import Any

from ovapi import logs
from ovapi.api.openai.messages import messages
from ovapi.core import ChatPrompt, Prompt, TextPrompt
from ovapi.http.answer.error_responses import refuse
from ovapi.http.handler import ApiHandler
from ovapi.serving.model_metadata import read_metadata
from ovapi.serving.tokenizer_metadata import read_tokenizer

Detokenizer = Callable[[Sequence[int]], Awaitable[str]]


class Tokenize(ApiHandler):
    metered = True

    async def post(self) -> None:
        body = await self.read_json("openai/tokenize_request")
        model = self.context.registry.get(body.get("model"))
        prompt = decode(body)
        async with self.using(model):
            engine = model.engine
            with logs.about({"request": self.request_id}):
                special = body.get("add_special_tokens") is not False
                asked = engine.tokenize(prompt, special, caller=self.caller, deadline=self.deadline)
                ids = await self.while_here(asked)
                info = engine.state.info
                assert info is not None
                wanted = bool(body.get("return_token_strs"))
                detokenize = partial(engine.detokenize, caller=self.caller, deadline=self.deadline)
                texts = await self.while_here(_texts(detokenize, ids)) if wanted else None
        self.write_json(
            {
                "count": len(ids),
                "max_model_len": info.context,
                "tokens": ids,
                "token_strs": texts,
            }
        )


class Detokenize(ApiHandler):
    metered = True

    async def post(self) -> None:
        body = await self.read_json("openai/detokenize_request")
        model = self.context.registry.get(body.get("model"))
        with logs.about({"request": self.request_id}):
            async with self.using(model):
                asked = model.engine.detokenize(
                    body["tokens"], caller=self.caller, deadline=self.deadline
                )
                text = await self.while_here(asked)
        self.write_json({"prompt": text})


class TokenizerInfo(ApiHandler):
    async def get(self) -> None:
        model = self.context.registry.get(self.get_query_argument("model", None))
        loop, folder = asyncio.get_running_loop(), model.config.path
        tokenizer = await loop.run_in_executor(self.context.executor, read_tokenizer, folder)
        metadata = await loop.run_in_executor(self.context.executor, read_metadata, folder)
        info = model.engine.state.info
        self.write_json(
            {
                "tokenizer_class": tokenizer.name,
                "model_max_length": info.context if info is not None else None,
                **tokenizer.tokens,
                "chat_template": metadata.template or None,
            }
        )

    head = get


def decode(body: Mapping[str, Any]) -> Prompt:
    """The text or the conversation of a body. Raises InvalidRequest for both or none."""
    text, items = body.get("prompt"), body.get("messages")
    if text is None and items is None:
        refuse("prompt", "or 'messages' is required", "missing_required_parameter")
    if text is not None and items is not None:
        refuse("messages", "cannot be combined with 'prompt': send one of them")
    if items is None:
        _check_absent(body, "prompt", "add_generation_prompt", "chat_template_kwargs")
        return TextPrompt(str(text))
    _check_absent(body, "messages", "add_special_tokens")
    return ChatPrompt(
        messages(items),
        template_args=dict(body.get("chat_template_kwargs") or {}),
        add_generation_prompt=body.get("add_generation_prompt") is not False,
    )


def _check_absent(body: Mapping[str, Any], kind: str, *names: str) -> None:
    """Refuse what asks for something that does not apply to this kind of prompt."""
    for name in names:
        if body.get(name):
            refuse(name, f"cannot be combined with '{kind}': omit it")


async def _texts(detokenize: Detokenizer, ids: Sequence[int]) -> list[str]:
    """The text of each token alone; each different one is asked for once."""
    different = list(dict.fromkeys(ids))
    texts = await asyncio.gather(*(detokenize([token]) for token in different))
    text_of = dict(zip(different, texts, strict=True))
    return [text_of[token] for token in ids]
