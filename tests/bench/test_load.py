"""The load generator, on a real server and on servers that misbehave."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from typing import Any

import pytest

from bench.connection import Answer, Client
from bench.figures import figures, spread
from bench.server_process import DEMO, ROOT, ServerProcess
from bench.workload import Workload

CHUNK = '{"choices": [{"text": "%s", "finish_reason": null}]}'
USAGE = '{"choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 2}}'


def load(server: ServerProcess, *options: str) -> dict[str, Any]:
    command = [sys.executable, "-m", "bench.load", "--base-url", server.url, "--model", DEMO]
    done = subprocess.run([*command, *options], cwd=ROOT, check=True, capture_output=True)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_closed_loop(batching_server: ServerProcess) -> None:
    found = load(batching_server, "--streams", "4", "--requests", "12", "--prompt-tokens", "200",
                 "--output-tokens", "40", "--probe", "/health")  # fmt: skip
    assert found["requests"] == 12
    assert found["errors"] == {}
    assert found["output_tokens"] == 12 * 40
    assert found["prompt_tokens"] == pytest.approx(200, rel=0.1)
    assert 0 < found["ttft_ms"]["p50"] <= found["ttft_ms"]["p99"] <= found["latency_ms"]["max"]
    assert found["tokens_per_second"] == pytest.approx(480 / found["seconds"], rel=0.01)
    assert found["server_cpu_us_per_token"] > 0
    assert found["server_rss_mib"] > 10
    assert found["probe_ms"]["p99"] > 0


def test_open_loop(batching_server: ServerProcess) -> None:
    found = load(batching_server, "--rate", "20", "--seconds", "1", "--output-tokens", "4")
    assert found["errors"] == {}
    assert 5 < found["requests"] < 50
    assert found["output_tokens"] == 4 * found["requests"]


def test_conversations_grow(batching_server: ServerProcess) -> None:
    found = load(batching_server, "--workload", "multi-turn", "--turns", "2", "--requests", "2",
                 "--prompt-tokens", "50", "--output-tokens", "20")  # fmt: skip
    assert found["errors"] == {}
    first, second = (turn["prompt_tokens"] for turn in found["turns"])
    assert second > first + 50


def test_an_unknown_model_is_an_error(batching_server: ServerProcess) -> None:
    found = load(batching_server, "--model", "nobody", "--prompt-words", "5", "--requests", "2")
    assert found["output_tokens"] == 0
    (text,) = found["errors"]
    assert text.startswith("404")
    assert found["errors"][text] == 2


async def answer(data: bytes, step: int, close: bool = False) -> Answer:
    """What the client makes of `data`, sent `step` bytes at a time."""
    ended = asyncio.Event()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        for start in range(0, len(data), step):
            writer.write(data[start : start + step])
            await writer.drain()
            await asyncio.sleep(0)
        if not close:
            await reader.read()
        writer.close()
        await writer.wait_closed()
        ended.set()

    async with await asyncio.start_server(handle, "127.0.0.1", 0) as server:
        client = Client(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
        found = await client.get("/")
        client.close()
        await ended.wait()
    return found


def chunked(*events: str) -> bytes:
    lines = [f"data: {event}\n\n" for event in (*events, "[DONE]")]
    body = "".join(f"{len(line):x}\r\n{line}\r\n" for line in lines)
    return f"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{body}0\r\n\r\n".encode()


@pytest.mark.parametrize("step", [1, 7, 10_000])
async def test_events_arrive_in_any_pieces(step: int) -> None:
    found = await answer(chunked(CHUNK % "", CHUNK % "a", CHUNK % "b", USAGE), step)
    assert (found.error, found.events) == ("", 2)
    assert (found.prompt_tokens, found.output_tokens) == (3, 2)
    assert found.sent < found.first <= found.last <= found.ended


async def test_a_broken_connection_is_an_error() -> None:
    found = await answer(chunked(CHUNK % "a")[:-7], 1000, close=True)
    assert found.error.startswith("connection lost")


async def test_a_kept_connection_that_the_server_closes_is_no_error() -> None:
    connections = 0

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        await reader.readuntil(b"\r\n\r\n")
        writer.write(chunked(CHUNK % "a", USAGE))
        await reader.read(1)  # of the next request
        writer.close()
        await writer.wait_closed()

    async with await asyncio.start_server(handle, "127.0.0.1", 0) as server:
        client = Client(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
        assert [(await client.get("/")).error for _ in range(3)] == ["", "", ""]
        client.close()
        await asyncio.sleep(0.01)  # for the server's last connection
    assert connections == 3


async def test_an_error_in_the_stream_is_an_error() -> None:
    found = await answer(chunked(CHUNK % "a", '{"error": {"message": "no"}}'), 1000)
    assert '"no"' in found.error


async def test_nobody_listens() -> None:
    client = Client("http://127.0.0.1:9")
    assert (await client.get("/")).error


def test_percentiles() -> None:
    found = spread([number / 1000 for number in range(1, 101)])
    assert found == {"p50": 50.0, "p90": 90.0, "p99": 99.0, "max": 100.0}


def test_rates_are_over_all_the_time() -> None:
    answers = [
        Answer(sent=1.0, first=2.0, last=4.0, ended=4.0, output_tokens=5, events=5),
        Answer(sent=3.0, first=4.0, last=6.0, ended=6.0, output_tokens=5, events=5),
        Answer(sent=3.0, ended=3.5, error="429"),
    ]
    found = figures(answers)
    assert found["tokens_per_second"] == 2.0
    assert found["tpot_ms"]["p50"] == 500
    assert found["errors"] == {"429": 1}


def test_a_copy_is_begun_as_its_original_begins() -> None:
    for seed in range(20):
        text = Workload("copying", prompt_words=60, seed=seed).prompt(0)
        original, again = text.split("\n\nThe same again:\n")
        assert len(original.split()) >= 60
        assert len(again.split()) >= 12
        assert original.startswith(again)


def test_guesses_are_compared() -> None:
    command = [sys.executable, "-m", "bench.copying", "--model", str(ROOT / "models" / DEMO),
               "--rounds=1", "--requests=1", "--prompt-words=20", "--output-tokens=20"]  # fmt: skip
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=True)
    rows = [line.split(" | ") for line in done.stdout.splitlines()[2:]]
    assert [row[0] for row in rows] == ["| ovapi", "| ovapi-lookup-5"]
    assert all(float(row[2]) > 0 for row in rows)
    assert rows[0][3] == "1.00"
