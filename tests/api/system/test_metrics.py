"""GET /metrics and GET /ready, and what the figures say of requests whose events are known."""

from __future__ import annotations

import asyncio
import os
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from ovapi.config.keyring import Keyring
from ovapi.core import Accepted, Failed, GenerateRequest, SamplingParams, TextPrompt
from ovapi.engine.base import EngineState, EngineStats
from ovapi.errors import ContextLengthExceeded, EngineFailed
from ovapi.serving.metrics.metrics import Metrics
from ovapi.serving.model import Model
from tests.support.api import SCHEMAS, Api, until
from tests.support.fake_engine import FakeEngine, script
from tests.support.languages import HERMES, said, speak

CHAT = "/v1/chat/completions"
HELLO = {"messages": [{"role": "user", "content": "Hello!"}]}

Figures = dict[str, float]


def read(text: str) -> Figures:
    """Each sample as ``name{label="value",…}``, without what every one of them has in common."""
    return {
        f"{sample.name}{sorted(sample.labels.items())}": sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def figure(figures: Figures, name: str, **labels: str) -> float:
    return figures[f"ovapi_{name}{sorted(labels.items())}"]


async def scrape(api: Api) -> Figures:
    async with api.client() as client:
        response = await client.get("/metrics")
    assert response.status_code == 200
    assert response.headers["Content-Type"].startswith("text/plain; version=")
    return read(response.text)


async def chat(api: Api, **more: Any) -> int:
    async with api.client() as client:
        return (await client.post(CHAT, json={**HELLO, **more})).status_code


async def test_a_request_is_counted_once_with_its_tokens(api: Api) -> None:
    api.engine.scripts.append(script("Why", " not", "?"))
    assert await chat(api) == 200
    figures = await scrape(api)
    model = {"model_name": "demo"}
    assert figure(figures, "prompt_tokens_total", **model) == 7
    assert figure(figures, "generation_tokens_total", **model) == 3
    assert figure(figures, "prefix_cache_queries_total", **model) == 7
    assert figure(figures, "prefix_cache_hits_total", **model) == 3
    assert figure(figures, "request_success_total", **model, finished_reason="stop") == 1
    for name in (
        "time_to_first_token_seconds",
        "request_time_per_output_token_seconds",
        "e2e_request_latency_seconds",
        "request_queue_time_seconds",
        "request_prefill_time_seconds",
        "request_decode_time_seconds",
        "request_inference_time_seconds",
        "request_prompt_tokens",
    ):
        assert figure(figures, f"{name}_count", **model) == 1, name
    assert figure(figures, "request_generation_tokens_sum", **model) == 3
    http = {"route": CHAT, "method": "POST", "model_name": "demo", "status": "200"}
    assert figure(figures, "http_requests_total", **http) == 1


async def test_refusals_by_reason(api: Api) -> None:
    assert await chat(api, temperature=9) == 400
    assert await chat(api, model="nobody") == 404
    api.engine.scripts.append([Failed(ContextLengthExceeded("too long"))])
    assert await chat(api) == 400
    api.engine.state = EngineState("loading")
    assert await chat(api) == 503
    figures = await scrape(api)
    for reason in ("invalid_value", "model_not_found", "context_length_exceeded", "model_loading"):
        assert figure(figures, "requests_refused_total", reason=reason) == 1
    ended = {"model_name": "demo", "finished_reason": "refused"}
    assert figure(figures, "request_success_total", **ended) == 1


async def test_an_engine_failure_is_an_error(api: Api) -> None:
    api.engine.scripts.append([Accepted(7), Failed(EngineFailed("gone"))])
    assert await chat(api) == 500
    ended = {"model_name": "demo", "finished_reason": "error"}
    assert figure(await scrape(api), "request_success_total", **ended) == 1


async def test_a_client_that_leaves_is_an_abort(api: Api) -> None:
    async with api.client() as client:
        post = asyncio.create_task(client.post(CHAT, json=HELLO))
        await until(lambda: api.engine.requests)
        post.cancel()
        await until(lambda: api.engine.cancelled)
    figures = await scrape(api)
    ended = {"model_name": "demo", "finished_reason": "abort"}
    assert figure(figures, "request_success_total", **ended) == 1
    http = {"route": CHAT, "method": "POST", "model_name": "demo", "status": "499"}
    assert figure(figures, "http_requests_total", **http) == 1


async def test_the_engine_as_it_is_now(api: Api) -> None:
    api.engine.stats = EngineStats(running=2, waiting=3, cache_usage=0.25)
    figures = await scrape(api)
    model = {"model_name": "demo"}
    assert figure(figures, "num_requests_running", **model) == 2
    assert figure(figures, "num_requests_waiting", **model) == 3
    assert figure(figures, "kv_cache_usage_perc", **model) == 0.25
    assert figure(figures, "model_ready", **model) == 1
    memory = figure(figures, "process_resident_memory_bytes", process="server", model_name="")
    assert memory > 10_000_000


async def test_what_clients_send_makes_no_new_series(api: Api) -> None:
    async with api.client() as client:
        for number in range(20):
            await client.get(f"/nowhere/{number}")
            await client.get(f"/v1/models/{number}")
            await client.get(f"/api/{number}")
            await client.request(f"VERB{number}", "/v1/models")
            await client.post(CHAT, json={**HELLO, f"unknown{number}": 1})
            await client.post(CHAT, json={**HELLO, "model": f"unknown{number}"})
    figures = await scrape(api)
    assert not [name for name in figures if "19" in name and "_bucket" not in name]
    assert len([name for name in figures if name.startswith("ovapi_http_requests")]) < 12


def test_restarts_and_the_requests_that_they_catch(api: Api) -> None:
    api.model.generate([GenerateRequest("r", TextPrompt("x"), SamplingParams())])
    for status in ("loading", "ready", "restarting", "restarting", "ready", "stopped"):
        api.app.metrics.engine_state("demo", EngineState(status))  # type: ignore[arg-type]
    figures = read(api.app.metrics.expose().decode())
    assert figure(figures, "engine_restarts_total", model_name="demo") == 2
    assert figure(figures, "requests_replayed_total", model_name="demo") == 2


def test_each_server_counts_for_itself(api: Api) -> None:
    first, second = Metrics(), Metrics()
    for metrics in (first, second):
        metrics.watch(Model(api.model.config, FakeEngine()))
    first.http_request("/", "GET", "", 200, None)
    second.loop_lag(0.5)
    assert b"ovapi_http_requests_total{" in first.expose()
    assert b"ovapi_http_requests_total{" not in second.expose()
    assert f"{os.getpid()}" not in first.expose().decode()


# --- GET /ready ---


@pytest.mark.parametrize(
    ("state", "status", "reason"),
    [
        (EngineState("ready"), 200, None),
        (EngineState("loading"), 503, "The model 'demo' is still loading."),
        (EngineState("failed", "no weights"), 503, "The model 'demo' is not available: no weights"),
    ],
)
async def test_ready(api: Api, state: EngineState, status: int, reason: str | None) -> None:
    api.engine.state = state
    async with api.client() as client:
        response = await client.get("/ready")
    SCHEMAS.validate("system/ready", response.json())
    assert response.status_code == status
    assert response.json() == {"ready": status == 200, "reasons": [reason] if reason else []}


async def test_a_draining_server_is_not_ready(api: Api) -> None:
    api.app.drain(lambda: None)
    async with api.client() as client:
        response = await client.get("/ready")
    assert response.status_code == 503
    assert response.json()["reasons"] == ["The server is shutting down."]


@pytest.mark.parametrize("keys", [Keyring.parse("secret", "test")])
async def test_readiness_is_public_and_figures_are_not(api: Api) -> None:
    async with api.client() as client:
        assert (await client.get("/ready")).status_code == 200
        assert (await client.get("/metrics")).status_code == 401
        key = {"Authorization": "Bearer secret"}
        assert (await client.get("/metrics", headers=key)).status_code == 200


def test_a_model_is_forgotten_once_and_its_namesake_is_not(api: Api) -> None:
    metrics, namesake = api.app.metrics, Model(api.model.config, FakeEngine())
    metrics.watch(namesake)
    metrics.forget(api.model)
    assert b'model_ready{model_name="demo"} 1.0' in metrics.expose()
    metrics.forget(namesake)
    metrics.forget(api.model)
    assert b'model_ready{model_name="demo"}' not in metrics.expose()


async def test_calls_are_counted_by_outcome(api: Api) -> None:
    speak(api.engine, HERMES)
    call = '<tool_call>\n{"name": "%s", "arguments": {"a": %s}}\n</tool_call>'
    texts = (call % ("f", 1) * 2, call % ("g", 1), call % ("f", "?"), call[:38] % "f")
    api.engine.scripts += [said(text) for text in texts]
    tool = {"type": "function", "function": {"name": "f"}}
    hello: dict[str, Any] = {"messages": [{"role": "user", "content": "Hello"}]}
    async with api.client() as client:
        for _ in texts:
            response = await client.post("/v1/chat/completions", json={**hello, "tools": [tool]})
            assert response.status_code == 200
    figures = await scrape(api)
    outcomes = {"complete": 2, "unknown": 1, "malformed": 1, "truncated": 1}
    for outcome, count in outcomes.items():
        labels = {"model_name": "demo", "outcome": outcome}
        assert figure(figures, "tool_calls_total", **labels) == count


async def test_an_answer_that_was_cut_after_its_call_is_over(api: Api) -> None:
    speak(api.engine, HERMES)
    text = '<tool_call>\n{"name": "f", "arguments": {"a": 1}}\n</tool_call> and more'
    api.engine.scripts.append(said(text)[:-1])
    tool = {"type": "function", "function": {"name": "f"}}
    hello: dict[str, Any] = {"messages": [{"role": "user", "content": "Hello"}]}
    async with api.client() as client:
        body = {**hello, "tools": [tool], "parallel_tool_calls": False}
        response = await client.post("/v1/chat/completions", json=body)
    assert response.json()["choices"][0]["finish_reason"] == "tool_calls"
    ended = {"model_name": "demo", "finished_reason": "tool_calls"}
    assert figure(await scrape(api), "request_success_total", **ended) == 1
