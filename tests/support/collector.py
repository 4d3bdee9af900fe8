"""Collector: takes OpenTelemetry's traces, as they come over HTTP."""

from __future__ import annotations

import http.server
import threading
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span


class Collector(http.server.ThreadingHTTPServer):
    """Takes traces by OTLP over HTTP."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.spans: list[Span] = []
        self.services: set[str] = set()
        self.bodies: list[bytes] = []

    def start(self) -> None:
        self._thread = threading.Thread(target=self.serve_forever)
        self._thread.start()

    def stop(self) -> None:
        self.shutdown()
        self._thread.join()

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/v1/traces"

    def take(self, body: bytes) -> None:
        self.bodies.append(body)
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
            self.services.add(attributes(resource.resource)["service.name"])
            for scope in resource.scope_spans:
                self.spans += scope.spans

    def of_request(self, request_id: str) -> tuple[Span, list[Span]]:
        """The span of a request, and those below it in the order of their times."""
        (span,) = (span for span in self.spans if request_of(span) == [request_id])
        below = [one for one in self.spans if one.parent_span_id == span.span_id]
        return span, sorted(below, key=lambda one: one.start_time_unix_nano)


class _Handler(http.server.BaseHTTPRequestHandler):
    server: Collector

    def do_POST(self) -> None:
        self.server.take(self.rfile.read(int(self.headers["Content-Length"])))
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """The tests' output is not the place."""


def value_of(value: AnyValue) -> Any:
    if value.HasField("array_value"):
        return [value_of(one) for one in value.array_value.values]
    return getattr(value, str(value.WhichOneof("value")))


def attributes(of: Any) -> dict[str, Any]:
    return {one.key: value_of(one.value) for one in of.attributes}


def request_of(span: Span) -> Any:
    return attributes(span).get("http.response.header.x-request-id")
