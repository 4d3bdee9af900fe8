"""The figures of a real server, seen as Prometheus sees them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
from prometheus_client.parser import text_string_to_metric_families

from bench.server_process import DEMO, ServerProcess
from soak.client.prompts import GREETING, LASTING, LONG, chat

CHAT = "/v1/chat/completions"


def scrape(server: ServerProcess) -> dict[str, float]:
    """The time series of the model, or of none, by their names."""
    text = httpx.get(f"{server.url}/metrics", timeout=10).text
    return {
        sample.name.removeprefix("ovapi_") + sample.labels.get("process", ""): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.labels.get("model_name", DEMO) in (DEMO, "")
    }


def test_the_figures_add_up(tmp_path: Path) -> None:
    with ServerProcess(tmp_path) as server:
        assert httpx.get(f"{server.url}/ready").status_code == 503
        server.wait_ready()
        assert httpx.get(f"{server.url}/ready").status_code == 200
        (engine,) = (one for one in server.children() if "worker" in " ".join(one.cmdline()))
        usage = complete(server)
        figures = scrape(server)
        assert figures["prompt_tokens_total"] == usage["prompt_tokens"]
        assert figures["generation_tokens_total"] == usage["completion_tokens"]
        assert figures["time_to_first_token_seconds_count"] == 1
        mean = figures["request_time_per_output_token_seconds_sum"]
        assert 0 < mean < figures["e2e_request_latency_seconds_sum"]
        the_phases_add_up(figures)
        server.wait_until(lambda: scrape(server)["loop_lag_seconds_count"] > 4, seconds=30)
        near(figures["process_resident_memory_bytesserver"], server.process.pid)
        near(figures["process_resident_memory_bytesengine"], engine.pid)

        text = through_a_crash(server, engine)
        assert text
        figures = scrape(server)
        assert (figures["engine_restarts_total"], figures["requests_replayed_total"]) == (1, 1)
        assert figures["num_requests_running"] == figures["num_requests_waiting"] == 0
        the_phases_add_up(figures)


def the_phases_add_up(figures: dict[str, float]) -> None:
    """Of every request, whatever became of its engine."""
    names = ("queue", "prefill", "decode", "inference")
    sums = (figures[f"request_{name}_time_seconds_sum"] for name in names)
    queue, prefill, decode, inference = sums
    assert len({figures[f"request_{name}_time_seconds_count"] for name in names}) == 1
    assert min(queue, prefill, decode) > 0
    first_token = figures["time_to_first_token_seconds_sum"]
    assert queue + prefill == pytest.approx(first_token)
    assert prefill + decode == pytest.approx(inference, abs=0.005)
    assert queue + inference == pytest.approx(figures["e2e_request_latency_seconds_sum"], abs=0.005)


def complete(server: ServerProcess) -> dict[str, Any]:
    answer = httpx.post(server.url + CHAT, json=chat(GREETING), timeout=60).json()
    usage: dict[str, Any] = answer["usage"]
    return usage


def through_a_crash(server: ServerProcess, engine: psutil.Process) -> str:
    """What a stream says whose engine is killed under it."""
    body = chat(LONG, stream=True, **LASTING)
    text = ""
    with httpx.stream("POST", server.url + CHAT, json=body, timeout=60) as stream:
        for line in stream.iter_lines():
            if line.startswith("data: {"):
                if not text:
                    engine.kill()
                event = json.loads(line[6:])
                assert "error" not in event
                text += event["choices"][0]["delta"].get("content") or ""
    return text


def near(bytes_: float, pid: int) -> None:
    assert abs(bytes_ / psutil.Process(pid).memory_info().rss - 1) < 0.2
