"""Tracing: a span of OpenTelemetry for each generation, with those of its phases below it.

A span is made when its request has ended, of what is known then, so that tracing costs nothing
while tokens pass. Names and attributes are those of the semantic conventions for HTTP servers and
for generative AI. Prompts and answers are not among them.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from ovapi import __version__
from ovapi.config.settings import TracingConfig
from ovapi.core import SamplingParams
from ovapi.http.generation_handler import GenerationHandler
from ovapi.http.telemetry.access_log import CLIENT_GONE, status_of
from ovapi.serving.metrics.request_timings import RequestTimings

log = logging.getLogger("ovapi.http.telemetry.tracing")

EXPORT_SECONDS = 5.0
"""For all tries to hand a batch to the collector."""
CLOSE_SECONDS = 2.0
"""What the collector has not got by then is lost, when the server stops."""
MAX_WAITING_SPANS = 2048
"""Spans that wait for the collector; further ones are lost."""
COMPLAINT_SECONDS = 60.0
"""Between two log lines about a collector that is away."""
MAX_CHOICES = 8
"""Engine requests of one HTTP request of which the phases are shown."""

Attributes = dict[str, Any]
Phase = tuple[str, float, float]


class _Complaints(logging.Handler):
    """Passes on what OpenTelemetry has to say, now and then: it complains at every try."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self._next = time.monotonic()

    def emit(self, record: logging.LogRecord) -> None:
        now = time.monotonic()
        if now >= self._next:
            self._next = now + COMPLAINT_SECONDS
            log.warning("spans not exported: %s", record.getMessage())


class Tracing:
    """Exports in a thread of its own: a collector that is away holds up nobody."""

    def __init__(self, config: TracingConfig) -> None:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
        from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        foreign = logging.getLogger("opentelemetry")
        foreign.propagate = False
        foreign.handlers = [_Complaints()]
        exporter = OTLPSpanExporter(endpoint=config.endpoint, timeout=EXPORT_SECONDS)
        self._processor = BatchSpanProcessor(
            exporter, max_queue_size=MAX_WAITING_SPANS, export_timeout_millis=1000 * EXPORT_SECONDS
        )
        provider = TracerProvider(
            sampler=ParentBased(TraceIdRatioBased(config.sample)),
            resource=Resource.create({"service.name": "ovapi", "service.version": __version__}),
            shutdown_on_exit=False,
        )
        provider.add_span_processor(self._processor)
        self._tracer = provider.get_tracer("ovapi", __version__)
        self._propagator = TraceContextTextMapPropagator()

    async def close(self) -> None:
        """Send what waits; what has not gone after CLOSE_SECONDS goes down with the process."""
        loop, sent = asyncio.get_running_loop(), asyncio.Event()

        def send() -> None:
            self._processor.shutdown()  # type: ignore[no-untyped-call]
            with suppress(RuntimeError):  # the loop has not waited
                loop.call_soon_threadsafe(sent.set)

        threading.Thread(target=send, name="ovapi-tracing", daemon=True).start()
        with suppress(TimeoutError):
            await asyncio.wait_for(sent.wait(), CLOSE_SECONDS)

    def ended(self, handler: GenerationHandler, route: str) -> None:
        """A generation has ended, somehow; `route` is the path by which it is documented."""
        from opentelemetry.trace import SpanKind, set_span_in_context

        clock = _Clock()
        headers = handler.request.headers
        carrier = {name: headers[name] for name in ("traceparent", "tracestate") if name in headers}
        operation = handler.operation
        span = self._tracer.start_span(
            f"{operation} {handler.model_name}".strip(),
            self._propagator.extract(carrier),
            SpanKind.SERVER,
            start_time=clock.now - int(1e9 * handler.request.request_time()),
        )
        if not span.is_recording():
            return
        span.set_attributes({"gen_ai.operation.name": operation, "http.route": route})
        span.set_attributes(_http(handler))
        span.set_attributes(_asked(handler))
        span.set_attributes(_used(handler))
        self._mark_error(span, handler)
        below = set_span_in_context(span)
        for choice, timing in enumerate(handler.timings[:MAX_CHOICES]):
            for name, begin, end in _phases(timing):
                phase = self._tracer.start_span(
                    name, below, attributes={"ovapi.choice": choice}, start_time=clock.wall(begin)
                )
                phase.end(clock.wall(end))
        span.end(clock.now)

    def _mark_error(self, span: Any, handler: GenerationHandler) -> None:
        """Every refusal has its type; an error is what is not the client's own doing."""
        from opentelemetry.trace import Status, StatusCode

        status = status_of(handler)
        if status == CLIENT_GONE:
            span.set_attribute("error.type", "client_gone")
        elif handler.refusal is not None:
            span.set_attribute("error.type", handler.refusal.code or handler.refusal.type)
        failed = next((one.error for one in handler.timings if one.reason == "error"), "")
        if failed:
            span.set_attribute("error.type", failed)
        if failed or status >= 500:
            message = handler.refusal.message if handler.refusal is not None else None
            span.set_status(Status(StatusCode.ERROR, message))


class _Clock:
    """Tells what moments of time.monotonic() were, in nanoseconds since 1970."""

    def __init__(self) -> None:
        self.now = time.time_ns()
        self._monotonic = time.monotonic()

    def wall(self, moment: float) -> int:
        return self.now - int(1e9 * (self._monotonic - moment))


def _http(handler: GenerationHandler) -> Attributes:
    request = handler.request
    return {
        "http.request.method": request.method,
        "http.response.status_code": status_of(handler),
        "http.response.header.x-request-id": [handler.request_id],
        "url.path": request.path,
        "url.scheme": request.protocol,
        "client.address": request.remote_ip or "",
    }


def _asked(handler: GenerationHandler) -> Attributes:
    found: Attributes = {
        "gen_ai.provider.name": "openvino",
        "gen_ai.request.model": handler.asked.get("model"),
        "gen_ai.response.model": handler.model_name or None,
    }
    if handler.requests:
        found |= _sampling(handler.requests[0].sampling)
        choices = sum(request.choices for request in handler.requests)
        found |= {
            "gen_ai.request.choice.count": choices if choices > 1 else None,
            "gen_ai.response.id": handler.answer_id,
        }
    return {name: value for name, value in found.items() if value is not None}


def _sampling(params: SamplingParams) -> Attributes:
    return {
        "gen_ai.request.max_tokens": params.max_tokens,
        "gen_ai.request.temperature": params.temperature,
        "gen_ai.request.top_p": params.top_p,
        "gen_ai.request.top_k": params.top_k or None,
        "gen_ai.request.frequency_penalty": params.frequency_penalty or None,
        "gen_ai.request.presence_penalty": params.presence_penalty or None,
        "gen_ai.request.seed": params.seed,
    }


def _used(handler: GenerationHandler) -> Attributes:
    """The prompt of several choices counts once, as in the answer's `usage`."""
    timings = handler.timings
    if not timings:
        return {}
    prompts = {
        id(request.prompt): timing.prompt_tokens
        for request, timing in zip(handler.requests, timings, strict=True)
    }
    return {
        "gen_ai.usage.input_tokens": sum(prompts.values()),
        "gen_ai.usage.output_tokens": sum(timing.tokens for timing in timings),
        "gen_ai.response.finish_reasons": [one.reason for one in timings if one.reason],
    }


def _phases(timing: RequestTimings) -> Iterator[Phase]:
    """Those that it has come to, the last one cut short by its end."""
    moments = [timing.begun, timing.started, timing.first_token, timing.ended]
    for name, begin, end in zip(("queue", "prefill", "decode"), moments, moments[1:], strict=False):
        if begin is not None:
            last = end if end is not None else timing.ended
            if last is not None:
                yield name, begin, last
