"""Traces, as a collector gets them, and what it costs when there is none."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from bench.server_process import DEMO, ServerProcess
from ovapi.config import loader
from ovapi.config.loader import load
from ovapi.config.yaml_document import ConfigError
from ovapi.http.telemetry.tracing import CLOSE_SECONDS, EXPORT_SECONDS
from soak.client.prompts import GREETING, LASTING, LONG, chat
from tests.support.collector import Collector, attributes, request_of

CHAT = "/v1/chat/completions"
TRACE = "0af7651916cd43dd8448eb211c80319c"
PARENT = "b7ad6b7169203331"
SECRET = "the-moon-is-a-cheese"


@pytest.fixture(scope="module")
def collector(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Collector]:
    """One that has got the traces of some requests to a real server."""
    with Collector() as collector:
        collector.start()
        tracing = {"tracing": {"endpoint": collector.endpoint}}
        with ServerProcess(tmp_path_factory.mktemp("tracing"), tracing) as server:
            server.wait_ready()
            ask(server)
            assert server.terminate() == 0
        collector.stop()
        yield collector


def ask(server: ServerProcess) -> None:
    def post(name: str, path: str, body: dict[str, Any], **headers: str) -> None:
        sent = {"X-Request-ID": name, **headers}
        httpx.post(server.url + path, json=body, headers=sent, timeout=60)

    post("whole", CHAT, chat(GREETING, model=DEMO, max_tokens=50, seed=5))
    parent = f"00-{TRACE}-{PARENT}-01"
    post("streamed", CHAT, chat(GREETING, stream=True, n=2), traceparent=parent)
    post("unsampled", CHAT, chat(GREETING), traceparent=f"00-{TRACE}-{PARENT}-00")
    post("malformed", CHAT, chat(SECRET, max_tokens=2), traceparent="00-no")
    post("refused", CHAT, chat(GREETING, temperature=9))
    post("long", CHAT, chat("far too long " * 3000))
    post("ollama", "/api/generate", {"model": DEMO, "prompt": GREETING})
    headers = {"X-Request-ID": "left"}
    body = chat(LONG, stream=True, **LASTING)
    with httpx.stream("POST", server.url + CHAT, json=body, headers=headers) as stream:
        next(stream.iter_lines())
    httpx.get(f"{server.url}/health", timeout=60)
    server.wait_for_log("499.*left")


def test_a_span_says_what_was_asked_and_what_it_took(collector: Collector) -> None:
    span, _ = collector.of_request("whole")
    found = attributes(span)
    assert span.name == f"chat {DEMO}"
    assert span.kind == Span.SpanKind.SPAN_KIND_SERVER
    assert span.status.code == Status.StatusCode.STATUS_CODE_UNSET
    expected = {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openvino",
        "gen_ai.request.model": DEMO,
        "gen_ai.response.model": DEMO,
        "gen_ai.request.max_tokens": 50,
        "gen_ai.request.temperature": 0,
        "gen_ai.request.seed": 5,
        "gen_ai.response.finish_reasons": ["stop"],
        "http.request.method": "POST",
        "http.route": CHAT,
        "http.response.status_code": 200,
    }
    assert {name: found[name] for name in expected} == expected
    assert found["gen_ai.usage.input_tokens"] > 5
    assert found["gen_ai.usage.output_tokens"] > 5
    assert found["gen_ai.response.id"].startswith("chatcmpl-")
    assert "error.type" not in found
    assert collector.services == {"ovapi"}


def test_the_phases_follow_each_other_within_their_request(collector: Collector) -> None:
    span, below = collector.of_request("whole")
    assert [one.name for one in below] == ["queue", "prefill", "decode"]
    moments = [at for one in below for at in (one.start_time_unix_nano, one.end_time_unix_nano)]
    assert moments == sorted(moments)
    assert span.start_time_unix_nano <= moments[0]
    assert moments[-1] <= span.end_time_unix_nano
    assert moments[1] == moments[2]
    assert moments[3] == moments[4]
    assert abs(span.end_time_unix_nano / 1e9 - time.time()) < 300


def test_the_context_comes_from_the_client(collector: Collector) -> None:
    span, below = collector.of_request("streamed")
    assert span.trace_id.hex() == TRACE
    assert span.parent_span_id.hex() == PARENT
    assert all(one.trace_id == span.trace_id for one in below)
    assert sorted(one.name for one in below) == sorted(["queue", "prefill", "decode"] * 2)
    alone, _ = collector.of_request("whole")
    found = attributes(span)
    assert found["gen_ai.request.choice.count"] == 2
    for name, times in (("input", 1), ("output", 2)):
        key = f"gen_ai.usage.{name}_tokens"
        assert found[key] == times * attributes(alone)[key]
    assert not [one for one in collector.spans if request_of(one) == ["unsampled"]]
    span, _ = collector.of_request("malformed")
    assert span.trace_id.hex() != TRACE


@pytest.mark.parametrize(
    ("request_id", "status", "kind"),
    [("refused", 400, "invalid_value"), ("long", 400, "context_length_exceeded")],
)
def test_a_refusal_has_its_type(
    collector: Collector, request_id: str, status: int, kind: str
) -> None:
    span, _ = collector.of_request(request_id)
    found = attributes(span)
    assert (found["http.response.status_code"], found["error.type"]) == (status, kind)
    assert span.status.code == Status.StatusCode.STATUS_CODE_UNSET


def test_a_client_that_leaves_cuts_its_phases_short(collector: Collector) -> None:
    span, below = collector.of_request("left")
    assert attributes(span)["error.type"] == "client_gone"
    assert attributes(span)["gen_ai.response.finish_reasons"] == ["abort"]
    assert [one.name for one in below] == ["queue", "prefill", "decode"]


def test_generations_are_traced_and_nothing_of_their_text(collector: Collector) -> None:
    assert collector.of_request("ollama")[0].name == f"text_completion {DEMO}"
    assert len([span for span in collector.spans if request_of(span)]) == 7
    assert not [body for body in collector.bodies if SECRET.encode() in body]


@pytest.mark.parametrize("refuses", [True, False])
def test_a_collector_that_is_away_costs_nothing(tmp_path: Path, refuses: bool) -> None:
    """Whether it refuses connections or takes them and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        endpoint = f"http://127.0.0.1:{listener.getsockname()[1]}/"
        settings = {"models_dir": str(tmp_path), "tracing": {"endpoint": endpoint}}
        if refuses:
            listener.close()
        environment = {**os.environ, "OTEL_BSP_SCHEDULE_DELAY": "100"}
        with ServerProcess(tmp_path, settings, env=environment) as server:
            assert max(timed(server) for _ in range(20)) < EXPORT_SECONDS - 1
            if not refuses:
                listener.settimeout(30)
                listener.accept()[0].close()  # it has been tried
            server.wait_for_log("ovapi.http.telemetry.tracing: spans not exported: ", seconds=30)
            begun = time.monotonic()
            assert server.terminate() == 0
            assert time.monotonic() - begun < CLOSE_SECONDS + 3
            assert server.log.count("spans not exported") == 1
            assert "opentelemetry" not in server.log


def timed(server: ServerProcess) -> float:
    begun = time.monotonic()
    answer = httpx.post(server.url + CHAT, json=chat(GREETING), timeout=60)
    assert answer.status_code == 404  # no model is there, and yet there is a span
    return time.monotonic() - begun


def test_without_the_packages_it_is_refused_at_the_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "config.yaml"
    file.write_text("models_dir: none\ntracing: {endpoint: 'http://127.0.0.1:4318/v1/traces'}\n")
    assert load(file).tracing is not None
    monkeypatch.setattr(loader, "OPENTELEMETRY", ("opentelemetry_that_is_not_there.sdk",))
    with pytest.raises(ConfigError, match=r"tracing \(line 2\): needs .*ovapi\[otel\]"):
        load(file)


def test_it_is_not_imported_where_it_is_not_configured() -> None:
    program = (
        "import sys, ovapi.server; from ovapi.config.loader import load; load(None);"
        "print([name for name in sys.modules if name.startswith('opentelemetry')])"
    )
    result = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60
    )
    assert result.stdout.strip() == "[]"
