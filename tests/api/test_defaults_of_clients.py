"""What clients send of their own accord is answered; what cannot be honoured says what to do."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.api import SCHEMAS, Api
from tests.support.fake_engine import script

CHAT, TEXT = "/v1/chat/completions", "/v1/completions"
OLLAMA_CHAT, OLLAMA_TEXT = "/api/chat", "/api/generate"
HI = [{"role": "user", "content": "Hi"}]
PARTS = [{"role": "user", "content": [{"type": "text", "text": "Hi"}]}]
USAGE = {"include_usage": True}
ALL_USAGE = {"include_usage": True, "continuous_usage_stats": True}

SENT: dict[str, tuple[str, dict[str, Any]]] = {
    "openai": (CHAT, {"messages": HI}),
    "langchain": (CHAT, {"stream": False, "messages": HI}),
    "opencode": (
        CHAT,
        {
            "max_tokens": 32000, "messages": HI, "stream": True, "stream_options": USAGE,
            "tools": [], "tool_choice": "auto",
        },
    ),
    "continue": (CHAT, {"messages": PARTS, "stream": True, "stream_options": USAGE}),
    "open-webui": (
        CHAT, {"stream": True, "messages": HI, "stream_options": USAGE, "tools": []},
    ),
    "open-webui, titles": (CHAT, {"stream": False, "messages": HI, "max_tokens": 1000}),
    "openai-agents": (
        CHAT,
        {
            "messages": HI, "tools": [], "parallel_tool_calls": False, "store": False,
            "metadata": {}, "reasoning_effort": None, "verbosity": None, "tool_choice": None,
            "response_format": None, "prompt_cache_retention": None, "top_logprobs": None,
        },
    ),
    "guidellm": (
        CHAT,
        {
            "messages": PARTS, "stream": True, "stream_options": ALL_USAGE, "ignore_eos": True,
            "max_completion_tokens": 64, "max_tokens": 64, "stop": None,
        },
    ),
    "guidellm, text": (
        TEXT,
        {
            "prompt": "Hi", "stream": True, "stream_options": ALL_USAGE, "ignore_eos": True,
            "max_tokens": 64, "stop": None,
        },
    ),
    "vllm bench": (
        TEXT,
        {
            "prompt": "Hi", "repetition_penalty": 1.0, "max_tokens": 64, "logprobs": None,
            "stream": True, "stream_options": USAGE, "temperature": 0.0, "ignore_eos": True,
        },
    ),
    "lm-eval": (
        TEXT,
        {"prompt": [[1, 2]], "max_tokens": 256, "temperature": 0, "stop": ["\n\n"], "seed": 1234},
    ),
    "everything at rest": (
        CHAT,
        {
            "messages": HI, "n": 1, "logprobs": False, "top_logprobs": 0, "user": "u",
            "store": True, "metadata": {"a": "b"}, "parallel_tool_calls": True,
            "service_tier": "auto", "seed": None, "prediction": None, "audio": None,
            "reasoning_effort": "medium", "verbosity": "medium", "safety_identifier": "s",
            "prompt_cache_key": "k", "logit_bias": {}, "modalities": ["text"], "functions": [],
            "function_call": "auto", "response_format": {"type": "text"},
            "web_search_options": None,
            "stream": True, "stream_options": {"include_obfuscation": False},
        },
    ),
    "llama.cpp's page": (
        CHAT,
        {
            "messages": HI, "stream": True, "cache_prompt": True, "timings_per_token": False,
            "return_progress": False, "id_slot": -1,
        },
    ),
    "a conversation that goes on": (
        CHAT,
        {
            "messages": [
                *HI,
                {
                    "role": "assistant", "content": "Ha!", "refusal": None, "annotations": [],
                    "audio": None, "function_call": None, "tool_calls": [], "reasoning": None,
                    "reasoning_content": "Hm.",
                },
                {
                    "role": "user",
                    "content": [
                        {"type": "text", "text": "!", "cache_control": {"type": "ephemeral"}}
                    ],
                },
            ]
        },
    ),
    "ollama": (OLLAMA_CHAT, {"stream": False, "messages": HI, "tools": []}),
    "ollama, text": (OLLAMA_TEXT, {"stream": False, "prompt": "Hi"}),
    "langchain-ollama": (
        OLLAMA_CHAT, {"stream": True, "options": {}, "messages": HI, "tools": []},
    ),
    "litellm": (
        OLLAMA_CHAT,
        {
            "messages": [{"role": "user", "content": "Hi", "images": []}],
            "options": {}, "stream": False,
        },
    ),
    "litellm, text": (
        OLLAMA_TEXT, {"prompt": "Hi", "options": {}, "stream": False, "images": []},
    ),
    "home assistant": (
        OLLAMA_CHAT,
        {
            "messages": HI, "stream": True, "keep_alive": "-1s", "tools": None, "format": "",
            "options": {"num_ctx": 8192}, "think": False,
        },
    ),
    "null everywhere": (
        OLLAMA_TEXT,
        {
            "prompt": "Hi", "suffix": "", "system": "", "template": "", "format": None,
            "raw": None, "images": None, "context": None, "think": None, "keep_alive": None,
            "options": {"seed": None, "stop": None, "num_ctx": None, "temperature": None},
            "stream": False,
        },
    ),
}  # fmt: skip
"""Bodies by client, without the model: those of clients in the tests as they were recorded."""


@pytest.mark.parametrize("client", SENT)
async def test_what_a_client_sends_is_answered(api: Api, client: str) -> None:
    path, body = SENT[client]
    api.engine.scripts.append(script("Ha!"))
    async with api.client() as http:
        response = await http.post(path, json={"model": "demo", **body})
    assert response.status_code == 200, response.text
    assert "Ha!" in response.text
    assert "error" not in response.text


SCHEMA = {"type": "json_schema", "json_schema": {"name": "x", "schema": {}}}
TOOL = {"type": "function", "function": {"name": "f", "parameters": {}}}
IMAGE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
AUDIO = {"type": "input_audio", "input_audio": {"data": "", "format": "wav"}}
FILE = {"type": "file", "file": {"file_id": "x"}}


def parts(part: dict[str, Any]) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": [part]}]}


@pytest.mark.parametrize(
    ("path", "body", "param", "says"),
    [
        (CHAT, parts(IMAGE), "messages[0].content[0].type", "This model reads text only"),
        (CHAT, parts(AUDIO), "messages[0].content[0].type", "This model reads text only"),
        (CHAT, parts(FILE), "messages[0].content[0].type", "This model reads text only"),
        (
            CHAT, {"response_format": SCHEMA}, "response_format.type",
            "Structured output is not supported yet",
        ),
        (
            TEXT, {"response_format": {"type": "json_object"}}, "response_format.type",
            "Structured output is not supported yet",
        ),
        (CHAT, {"guided_json": {}}, "guided_json", "Structured output is not supported yet"),
        (CHAT, {"tools": [TOOL]}, "tools", "Omit it, or set"),
        (CHAT, {"tool_choice": "required"}, "tool_choice", 'send "auto"'),
        (CHAT, {"verbosity": "low"}, "verbosity", "Ask for it in the messages"),
        (CHAT, {"modalities": ["text", "audio"]}, "modalities[1]", "This model writes text only"),
        (TEXT, {"logprobs": 5}, "logprobs", "use 0"),
        (
            OLLAMA_CHAT, {"messages": [{"role": "user", "content": "Hi", "images": ["AA"]}]},
            "messages[0].images", "This model reads text only",
        ),
        (OLLAMA_CHAT, {"format": "json"}, "format", "Structured output is not supported yet"),
        (OLLAMA_CHAT, {"format": {}}, "format", "Structured output is not supported yet"),
        (OLLAMA_CHAT, {"tools": [TOOL]}, "tools", "does not support tools"),
    ],
)  # fmt: skip
async def test_a_refusal_says_what_to_do(
    api: Api, path: str, body: dict[str, Any], param: str, says: str
) -> None:
    given = {"prompt": "Hi"} if path == TEXT else {"messages": HI}
    async with api.client() as http:
        response = await http.post(path, json={"model": "demo", **given, **body})
    assert response.status_code == 400
    error = response.json()["error"]
    message = error if path == OLLAMA_CHAT else error["message"]
    assert message.startswith(f"'{param}' ")
    assert says in message
    assert 'must be "' not in message
    assert path == OLLAMA_CHAT or error["code"] in ("unsupported_parameter", "unsupported_value")


def hintless(value: Any, path: str) -> list[str]:
    """The places in a schema that refuse something known without a word on what to do."""
    if isinstance(value, list):
        return [found for item in value for found in hintless(item, path)]
    if not isinstance(value, dict):
        return []
    below = [found for key, item in value.items() for found in hintless(item, f"{path}/{key}")]
    return below + ([path] if "x-support" in value and "x-hint" not in value else [])


@pytest.mark.parametrize("name", list(SCHEMAS))
def test_every_refusal_of_something_known_has_a_hint(name: str) -> None:
    assert hintless(SCHEMAS[name], name) == []
