"""LiteLLM, as a library, against the real server by both of its APIs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import litellm
import pytest

from bench.server_process import DEMO, ServerProcess
from soak.client.prompts import GREETING

# what these libraries warn about in their own code
pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning"),
]

MESSAGES = [{"role": "user", "content": GREETING}]


@pytest.fixture(autouse=True)
def _closed() -> Iterator[None]:
    """The library keeps its clients until the end of the process."""
    yield
    for client in litellm.in_memory_llm_clients_cache.cache_dict.values():
        client.close()
    litellm.in_memory_llm_clients_cache.flush_cache()


@pytest.fixture(params=["openai", "ollama_chat"])
def call(request: pytest.FixtureRequest, batching_server: ServerProcess) -> dict[str, Any]:
    """The arguments that reach the server by the API of that provider."""
    base = batching_server.url + ("/v1" if request.param == "openai" else "")
    return {"model": f"{request.param}/{DEMO}", "api_base": base, "api_key": "any",
            "messages": MESSAGES, "temperature": 0, "num_retries": 0}  # fmt: skip


def test_whole_and_streamed_answers_agree(call: dict[str, Any]) -> None:
    whole = litellm.completion(**call)
    parts = list(litellm.completion(**call, stream=True))
    text = "".join(part.choices[0].delta.content or "" for part in parts)
    assert text
    assert text == whole.choices[0].message.content
    assert whole.choices[0].finish_reason == "stop"
    assert whole.usage.completion_tokens > 0


def test_an_unknown_model_is_the_librarys_own_error(call: dict[str, Any]) -> None:
    provider = call["model"].partition("/")[0]
    with pytest.raises((litellm.NotFoundError, litellm.APIConnectionError)):
        litellm.completion(**{**call, "model": f"{provider}/other"})
