"""The whole program from outside: what its users rely on when nothing else is at hand."""

from __future__ import annotations

import asyncio
import json
import os
import resource
import signal
import socket
import statistics
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path

import httpx
import psutil
import pytest
import yaml

from bench.server_process import DEMO, ROOT, ServerProcess
from soak.client.bodies import CHAT
from soak.client.prompts import GREETING, LASTING, LONG, SURE, chat
from soak.client.streams import client_of, deltas, text_of


def command(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "ovapi", *arguments],
        cwd=ROOT, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip


def test_the_port_is_open_before_the_model_is_loaded(tmp_path: Path) -> None:
    with ServerProcess(tmp_path) as server:
        refused = httpx.post(f"{server.url}{CHAT}", json=chat(GREETING))
        assert server.health()["models"][DEMO]["status"] == "loading"
        server.wait_ready()
        answered = httpx.post(f"{server.url}{CHAT}", json=chat(GREETING), timeout=60)
    assert refused.status_code == 503
    assert refused.json()["error"]["code"] == "model_loading"
    assert int(refused.headers["Retry-After"]) > 0
    assert answered.status_code == 200


def test_sigterm_lets_streams_finish_and_leaves_no_process(tmp_path: Path) -> None:
    async def stream_through_the_end() -> tuple[str, str]:
        async with client_of(server.url) as client:
            alone = await text_of(client, chat(LONG, **LASTING))
            parts = deltas(client, chat(LONG, **LASTING))
            first = await anext(parts) + await anext(parts)
            server.process.send_signal(signal.SIGTERM)
            server.wait_for_log("stopping: 1 requests in flight")
            late = await client.post(CHAT, json=chat(GREETING))
            assert (late.status_code, late.json()["error"]["code"]) == (503, "server_draining")
            return alone, first + "".join([part async for part in parts])

    with ServerProcess(tmp_path) as server:
        server.wait_ready()
        children = server.children()
        assert children
        alone, through_the_end = asyncio.run(stream_through_the_end())
        assert server.process.wait(30) == 0
    assert through_the_end == alone
    assert not any(child.is_running() for child in children)


def test_a_second_sigterm_ends_at_once(tmp_path: Path) -> None:
    async def stop_twice() -> None:
        async with client_of(server.url) as client:
            parts = deltas(client, chat(LONG, **LASTING))
            await anext(parts)
            server.process.send_signal(signal.SIGTERM)
            server.wait_for_log("stopping: 1 requests in flight")
            server.process.send_signal(signal.SIGTERM)
            with pytest.raises((AssertionError, httpx.TransportError)):
                [part async for part in parts]

    with ServerProcess(tmp_path) as server:
        server.wait_ready()
        children = server.children()
        asyncio.run(stop_twice())
        assert server.process.wait(10) == 0
    assert not any(child.is_running() for child in children)


def test_no_engine_outlives_a_killed_server(tmp_path: Path) -> None:
    with ServerProcess(tmp_path) as server:
        server.wait_ready()
        children = server.children()
        server.process.kill()
        _, alive = psutil.wait_procs(children, timeout=10)
    assert alive == []


def test_a_port_that_is_taken_is_said_plainly(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        result = command("--port", str(port))
    assert result.returncode == 1
    assert f"cannot listen on 127.0.0.1:{port}" in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize("port", ["65536", "-1", "http"])
def test_a_port_that_there_is_not_is_refused(port: str) -> None:
    result = command(f"--port={port}", "--check")
    assert result.returncode == 2
    assert "argument --port: must be a number from 0 to 65535" in result.stderr


def test_check_says_what_would_be_served() -> None:
    result = command("--check")
    assert result.returncode == 0
    assert f"model {DEMO} on CPU" in result.stdout
    language = "hermes, tools (format hermes), thinking (format think)"
    assert f"  language: {language}" in result.stdout


def test_check_names_the_path_of_an_error(tmp_path: Path) -> None:
    file = tmp_path / "bad.yaml"
    file.write_text(yaml.safe_dump({"server": {"port": "http"}}))
    result = command("--check", "--config", str(file))
    assert result.returncode == 2
    assert "server.port (line 2)" in result.stderr


@pytest.mark.parametrize("option", ["--help", "--version"])
def test_the_command_line_explains_itself(option: str) -> None:
    result = command(option)
    assert result.returncode == 0
    assert "ovapi" in result.stdout


async def test_many_streams_give_what_each_gives_alone(batching_server: ServerProcess) -> None:
    async with client_of(batching_server.url) as client:
        alone = [await text_of(client, chat(prompt)) for prompt in SURE]
        together = await asyncio.gather(*(text_of(client, chat(p)) for p in SURE * 4))
    assert together == alone * 4


async def test_health_answers_during_prefill_and_decoding(batching_server: ServerProcess) -> None:
    load = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.support.load", batching_server.url,
        cwd=ROOT, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    seconds = []
    async with client_of(batching_server.url) as client:
        done = asyncio.create_task(load.communicate())
        while not done.done():
            start = time.perf_counter()
            assert (await client.get("/health")).status_code == 200
            seconds.append(time.perf_counter() - start)
            await asyncio.sleep(0.005)
    output, _ = await done
    assert b"17 answers" in output
    assert len(seconds) > 50
    assert statistics.quantiles(seconds, n=100)[98] < 0.5


def test_the_server_process_never_loads_openvino(batching_server: ServerProcess) -> None:
    maps = Path(f"/proc/{batching_server.process.pid}/maps").read_text()
    assert "libpython" in maps or "python" in maps
    assert "openvino" not in maps


async def test_a_client_that_leaves_frees_its_slot(any_server: ServerProcess) -> None:
    async with client_of(any_server.url) as client:
        parts = deltas(client, chat(LONG, **LASTING))
        await anext(parts)
        assert any_server.health()["models"][DEMO]["running"] == 1
        await parts.aclose()
        await asyncio.to_thread(any_server.wait_idle)


async def test_a_client_that_leaves_before_the_answer_frees_its_slot(
    any_server: ServerProcess,
) -> None:
    async with client_of(any_server.url) as client:
        bodies = [chat(LONG, **LASTING) for _ in range(8)]
        posts = [asyncio.create_task(client.post(CHAT, json=body)) for body in bodies]
        await asyncio.sleep(0.3)
        for post in posts:
            post.cancel()
        await asyncio.gather(*posts, return_exceptions=True)
        await asyncio.to_thread(any_server.wait_idle)


async def test_a_reader_that_stalls_holds_back_nobody(batching_server: ServerProcess) -> None:
    port = int(batching_server.url.rsplit(":", 1)[1])
    body = json.dumps(chat(LONG, stream=True, n=8)).encode()
    head = f"POST {CHAT} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    with socket.socket() as stalled:
        stalled.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        stalled.connect(("127.0.0.1", port))
        stalled.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
        async with client_of(batching_server.url) as client:
            alone = await text_of(client, chat(GREETING))
            assert alone
            batching_server.wait_idle(seconds=60)
            assert await text_of(client, chat(GREETING)) == alone


def test_both_engines_say_the_same(
    batching_server: ServerProcess, simple_server: ServerProcess
) -> None:
    answers = [
        httpx.post(f"{server.url}{CHAT}", json=chat(GREETING), timeout=60).json()
        for server in (batching_server, simple_server)
    ]
    first, second = (answer["choices"][0]["message"]["content"] for answer in answers)
    assert first == second


def test_a_machine_in_disorder(tmp_path: Path) -> None:
    """Few files, a folder whose name is no text, and an address that few would write so."""
    models = tmp_path / "models"
    models.mkdir()
    (models / DEMO).symlink_to(ROOT / "models" / DEMO)
    odd = Path(os.fsdecode(os.fsencode(models) + b"/caf\xe9"))
    odd.mkdir()
    (odd / "openvino_model.xml").touch()

    def few_files() -> None:
        resource.setrlimit(resource.RLIMIT_NOFILE, (256, 256))

    settings = {"models_dir": str(models), "server": {"host": "127.1"}}
    with ServerProcess(tmp_path, settings, preexec_fn=few_files) as server, ExitStack() as stack:
        server.wait_ready()
        assert "its name is not UTF-8" in server.log
        assert "at most 192 connections instead of 2048" in server.log
        port = int(server.url.rsplit(":", 1)[1])
        for _ in range(300):
            stack.enter_context(socket.create_connection(("127.0.0.1", port)))
        answer = httpx.post(f"{server.url}{CHAT}", json=chat(GREETING), timeout=60)
        assert answer.status_code == 200
        forged = httpx.get(f"{server.url}/v1/models", headers={"Host": "evil.example"})
        assert forged.status_code == 403
        assert server.terminate() == 0
        assert "Traceback" not in server.log
