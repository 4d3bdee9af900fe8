"""Requests as the documentation of other servers has them, sent as they stand."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator

import pytest

from bench.server_process import DEMO, ServerProcess

LLAMA = "Meta-Llama-3-8B-Instruct"
PORT = "localhost:9112"

CHAT = """\
curl -X 'POST' \\
'http://localhost:9112/v1/chat/completions' \\
-H 'accept: application/json' \\
-H 'Content-Type: application/json' \\
-d '{
"messages": [
{
"content": "tell a joke",
"role": "user"
}
],
"model": "Meta-Llama-3-8B-Instruct",
"stream": true
}'
"""

GENERATE = """\
curl -X 'POST' \\
'http://localhost:9112/api/generate' \\
-H 'accept: application/json' \\
-H 'Content-Type: application/json' \\
-d '{
"model": "Meta-Llama-3-8B-Instruct",
"prompt": "tell me a joke",
"stream": true
}'
"""

OLLAMA = "localhost:11434"
OLLAMA_CURLS = [
    """curl http://localhost:11434/api/generate -d '{
  "model": "llama3.2",
  "prompt": "Why is the sky blue?"
}'""",
    """curl http://localhost:11434/api/generate -d '{
  "model": "llama3.2",
  "prompt": "[INST] why is the sky blue? [/INST]",
  "raw": true,
  "stream": false
}'""",
    """curl http://localhost:11434/api/generate -d '{
  "model": "llama3.2",
  "prompt": "Why is the sky blue?",
  "options": {
    "seed": 123
  }
}'""",
    """curl http://localhost:11434/api/generate -d '{
  "model": "llama3.2"
}'""",
    """curl http://localhost:11434/api/generate -d '{
  "model": "llama3.2",
  "keep_alive": 0
}'""",
    """curl http://localhost:11434/api/chat -d '{
  "model": "llama3.2",
  "messages": [
    {
      "role": "user",
      "content": "why is the sky blue?"
    },
    {
      "role": "assistant",
      "content": "due to rayleigh scattering."
    },
    {
      "role": "user",
      "content": "how is that different than mie scattering?"
    }
  ]
}'""",
    """curl http://localhost:11434/api/chat -d '{
  "model": "llama3.2",
  "messages": []
}'""",
]

pytestmark = pytest.mark.skipif(shutil.which("curl") is None, reason="there is no curl")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A server of models of the names in the examples."""
    model = {"name": DEMO, "aliases": [LLAMA, "llama3.2"], "keep_alive_requests": "obey"}
    with ServerProcess(tmp_path_factory.mktemp("examples"), {"models": [model]}) as process:
        process.wait_ready()
        yield process


def run(server: ServerProcess, command: str, host: str) -> str:
    """What the command prints, with the server's address in place of `host`."""
    command = command.replace(host, server.url.removeprefix("http://")).strip()
    result = subprocess.run(
        f"{command} --silent --fail-with-body --noproxy '*'",
        shell=True, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert result.returncode == 0, result.stdout
    return result.stdout


def test_a_chat_stream(server: ServerProcess) -> None:
    *lines, done = [line for line in run(server, CHAT, PORT).splitlines() if line]
    assert done == "data: [DONE]"
    chunks = [json.loads(line.removeprefix("data:")) for line in lines if line[0] != ":"]
    assert {chunk["object"] for chunk in chunks} == {"chat.completion.chunk"}
    assert len({chunk["id"] for chunk in chunks}) == 1
    assert chunks[0]["choices"][0]["delta"]["role"] == "assistant"
    assert "".join(chunk["choices"][0]["delta"].get("content", "") for chunk in chunks)


def test_a_stream_of_generate(server: ServerProcess) -> None:
    lines = [json.loads(line) for line in run(server, GENERATE, PORT).splitlines()]
    assert {line["model"] for line in lines} == {LLAMA}
    assert [line["done"] for line in lines] == [False] * (len(lines) - 1) + [True]
    assert set(lines[0]) == {"model", "created_at", "response", "done"}
    assert "".join(line["response"] for line in lines)
    assert lines[-1]["response"] == ""


@pytest.mark.parametrize("command", OLLAMA_CURLS)
def test_ollamas_own(server: ServerProcess, command: str) -> None:
    """They name no Content-Type, so curl sends that of a form."""
    last = json.loads(run(server, command, OLLAMA).splitlines()[-1])
    assert last["done"]
    assert last["model"] == "llama3.2"
