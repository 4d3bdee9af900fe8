"""OpenAI's API, with what vLLM and OpenVINO Model Server add to it."""

from __future__ import annotations

from ovapi.api.openai.chat import ChatCompletions
from ovapi.api.openai.completions import Completions
from ovapi.api.openai.models import ModelDetail, ModelList
from ovapi.api.openai.prose import COMPLETION_STREAMING, STREAMING, TOOLS
from ovapi.api.openai.tokenization import Detokenize, Tokenize, TokenizerInfo
from ovapi.http.dialect import Dialect, Endpoint

ENDPOINTS = (
    Endpoint(
        "POST",
        "/v1/chat/completions",
        ChatCompletions,
        "Generates the next message of a conversation.",
        request="openai/chat_request",
        response="openai/chat_response",
        chunk="openai/chat_chunk",
        example={
            "model": "ovapi-demo",
            "messages": [{"role": "user", "content": "Tell me a joke."}],
            "temperature": 0,
        },
        notes=f"{STREAMING}\n{TOOLS}",
        also=("/v3/chat/completions", "/chat/completions"),
    ),
    Endpoint(
        "POST",
        "/v1/completions",
        Completions,
        "Completes texts or token ids, without a chat template.",
        request="openai/completion_request",
        response="openai/completion_response",
        chunk="openai/completion_chunk",
        example={"model": "ovapi-demo", "prompt": "Once upon a time", "max_tokens": 20},
        notes=COMPLETION_STREAMING,
        also=("/v3/completions", "/completions"),
    ),
    Endpoint(
        "POST",
        "/tokenize",
        Tokenize,
        "Tokenizes a text or a conversation of up to four times the model's context.",
        request="openai/tokenize_request",
        response="openai/tokenize_response",
        example={"model": "ovapi-demo", "prompt": "Hello!"},
    ),
    Endpoint(
        "POST",
        "/detokenize",
        Detokenize,
        "Decodes token ids into text.",
        request="openai/detokenize_request",
        response="openai/detokenize_response",
        example={"model": "ovapi-demo", "tokens": [40, 69, 76]},
    ),
    Endpoint(
        "GET",
        "/tokenizer_info",
        TokenizerInfo,
        "Describes the tokenizer of the default model, or of that in the query: `?model=NAME`.",
        response="openai/tokenizer_info",
    ),
    Endpoint(
        "GET",
        "/v1/models",
        ModelList,
        "Lists the models.",
        response="openai/models",
        also=("/v3/models", "/models"),
    ),
    Endpoint(
        "GET",
        "/v1/models/{id}",
        ModelDetail,
        "Describes a model, by name or alias. Names may contain slashes.",
        response="openai/model",
        also=("/v3/models/{id}", "/models/{id}"),
    ),
)

OPENAI = Dialect("openai", ENDPOINTS)
