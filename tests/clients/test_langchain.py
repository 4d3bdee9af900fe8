"""LangChain's chat models against the real server."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import openai
import pytest
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage
from langchain_ollama import ChatOllama
from langchain_openai import ChatOpenAI

from bench.server_process import DEMO, ServerProcess
from soak.client.prompts import GREETING

# what these libraries warn about in their own code
pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning"),
]

CONVERSATION = [
    SystemMessage("You are a helpful assistant."),
    HumanMessage("My name is Tom."),
    AIMessage("Nice to meet you, Tom!"),
    HumanMessage("What is my name?"),
]


@contextmanager
def openai_model(server: ServerProcess, name: str) -> Iterator[ChatOpenAI]:
    """With an HTTP client of ours: LangChain keeps its own until the end of the process."""
    with httpx.Client() as http:
        yield ChatOpenAI(
            model=name, base_url=f"{server.url}/v1", api_key="any", temperature=0,
            max_retries=0, http_client=http,
        )  # fmt: skip


@pytest.fixture
def chat_openai(any_server: ServerProcess) -> Iterator[ChatOpenAI]:
    with openai_model(any_server, DEMO) as model:
        yield model


@pytest.fixture
def chat_ollama(any_server: ServerProcess) -> Iterator[ChatOllama]:
    """LangChain has no way to close it, so its client's own is taken."""
    model = ChatOllama(model=DEMO, base_url=any_server.url, temperature=0)
    yield model
    model._client.close()


def test_openai_answers_a_conversation(chat_openai: ChatOpenAI) -> None:
    answer = chat_openai.invoke(CONVERSATION)
    assert "Tom" in answer.content
    assert answer.usage_metadata is not None
    assert answer.usage_metadata["output_tokens"] > 0
    assert answer.response_metadata["finish_reason"] == "stop"


def test_openai_streams_the_same_text(chat_openai: ChatOpenAI) -> None:
    parts = [chunk.content for chunk in chat_openai.stream(GREETING)]
    assert len(parts) > 2
    assert "".join(parts) == chat_openai.invoke(GREETING).content


def test_openai_raises_the_clients_own_errors(any_server: ServerProcess) -> None:
    with openai_model(any_server, "other") as model, pytest.raises(openai.NotFoundError):
        model.invoke(GREETING)


def test_ollama_answers_a_conversation(chat_ollama: ChatOllama) -> None:
    answer = chat_ollama.invoke(CONVERSATION)
    assert "Tom" in answer.content
    assert answer.usage_metadata is not None
    assert answer.usage_metadata["output_tokens"] > 0
    assert answer.response_metadata["done_reason"] == "stop"


def test_ollama_streams_the_same_text(chat_ollama: ChatOllama) -> None:
    parts = [chunk.content for chunk in chat_ollama.stream(GREETING)]
    assert len(parts) > 2
    assert "".join(parts) == chat_ollama.invoke(GREETING).content
