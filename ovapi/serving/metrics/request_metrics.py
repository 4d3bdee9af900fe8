"""RequestMetrics: what one model's requests come to, from the events that its engine gives.

Times are those of the events on the event loop, but for the start, which the engine tells. A
request that goes on in another engine after a crash has started once, in the first one.
"""

from __future__ import annotations

import time
from collections.abc import Mapping

from prometheus_client import Counter, Histogram

from ovapi.core import Accepted, Delta, Event, Failed, Finished, GenerateRequest, Started
from ovapi.serving.metrics.request_timings import RequestTimings

Families = Mapping[str, Histogram]


class RequestMetrics:
    """The observer of one model. Tokens are plain numbers, since every token passes here."""

    def __init__(self, model: str, histograms: Families, endings: Counter, calls: Counter) -> None:
        self.prompt_tokens = 0
        self.generation_tokens = 0
        self.accepted_tokens = 0  # those beyond the first of a step
        self.cache_queries = 0
        self.cache_hits = 0
        self._histograms = {name: family.labels(model) for name, family in histograms.items()}
        self._endings = endings
        self._calls = calls
        self._model = model

    def begin(self, request: GenerateRequest) -> MetricsRecorder:
        return MetricsRecorder(self, request)

    def observe(self, histogram: str, value: float) -> None:
        self._histograms[histogram].observe(value)

    def called(self, outcome: str, count: int) -> None:
        self._calls.labels(self._model, outcome).inc(count)

    def ended(self, reason: str) -> None:
        self._endings.labels(self._model, reason).inc()


class MetricsRecorder:
    """One engine request; see `ovapi.serving.metrics.request_recorder.RequestRecorder`."""

    __slots__ = ("_beams", "_later", "_metrics", "_open", "timings")

    def __init__(self, metrics: RequestMetrics, request: GenerateRequest) -> None:
        self._metrics = metrics
        self._beams = request.sampling.beams is not None
        self._open = request.choices
        self.timings = RequestTimings(time.monotonic())
        self._later = 0  # tokens that came after the first time that any came

    def event(self, event: Event) -> None:
        if isinstance(event, Delta):
            if event.token_ids:
                self._take(len(event.token_ids))
        elif isinstance(event, Finished):
            self._finish(event)
        elif isinstance(event, Accepted):
            self.timings.prompt_tokens = event.prompt_tokens
            self._metrics.prompt_tokens += event.prompt_tokens
            self._metrics.observe("request_prompt_tokens", event.prompt_tokens)
        elif isinstance(event, Started):
            self.timings.started = event.at
            waited = event.at - self.timings.begun
            self._metrics.observe("request_queue_time_seconds", waited)
        elif isinstance(event, Failed):
            self._fail(event)

    def calls(self, outcome: str, count: int) -> None:
        self._metrics.called(outcome, count)

    def cancelled(self) -> None:
        self._end("abort")

    def _fail(self, event: Failed) -> None:
        """A request that could not be served as it was has not come to any end."""
        self.timings.error = event.error.code or event.error.type
        if event.error.status < 500:
            self._close("refused")
        else:
            self._end("error")

    def _take(self, tokens: int) -> None:
        timings = self.timings
        self._metrics.generation_tokens += tokens
        timings.tokens += tokens
        if timings.first_token is not None:
            if not self._beams:
                self._metrics.accepted_tokens += tokens - 1
            self._later += tokens
            return
        timings.first_token = now = time.monotonic()
        self._metrics.observe("time_to_first_token_seconds", now - timings.begun)
        if timings.started is not None:
            self._metrics.observe("request_prefill_time_seconds", now - timings.started)

    def _finish(self, event: Finished) -> None:
        self._open -= 1
        if self._open:
            return
        usage = event.usage
        if usage.cached_tokens is not None:
            self._metrics.cache_queries += usage.prompt_tokens
            self._metrics.cache_hits += usage.cached_tokens
        self._decoded()
        self._end(event.reason)

    def _decoded(self) -> None:
        """A beam search gives its tokens all at once, which tells nothing about a token."""
        first = self.timings.first_token
        if first is None or not self._later or self._beams:
            return
        seconds = time.monotonic() - first
        self._metrics.observe("request_decode_time_seconds", seconds)
        self._metrics.observe("request_time_per_output_token_seconds", seconds / self._later)

    def _end(self, reason: str) -> None:
        now = self._close(reason)
        self._metrics.observe("e2e_request_latency_seconds", now - self.timings.begun)
        if self.timings.started is not None:
            seconds = now - self.timings.started
            self._metrics.observe("request_inference_time_seconds", seconds)
        self._metrics.observe("request_generation_tokens", self.timings.tokens)

    def _close(self, reason: str) -> float:
        """The end, whatever it is; its moment."""
        self.timings.ended = now = time.monotonic()
        self.timings.reason = reason
        self._metrics.ended(reason)
        return now
