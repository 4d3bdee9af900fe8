"""Metrics: the server's figures for Prometheus, in a registry of its own.

Names are those of vLLM where the meaning is the same, with the prefix `ovapi_`. What somebody
else keeps, such as an engine's queue, is read when it is asked for.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Histogram,
    Metric,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

from ovapi import __version__, logs
from ovapi.engine.base import EngineState
from ovapi.serving.metrics.model_readings import BY_MODEL, BY_REASON, COUNTERS, GAUGES, WatchedModel
from ovapi.serving.metrics.process_memory import resident_bytes
from ovapi.serving.metrics.request_metrics import RequestMetrics
from ovapi.serving.model import Model

# time series that say when a counter was made: nobody reads them
disable_created_metrics()  # type: ignore[no-untyped-call]

CONTENT_TYPE = CONTENT_TYPE_LATEST
PREFIX = "ovapi"

FIRST_TOKEN = (
    0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5,
    10, 20, 40, 80, 160, 640, 2560,
)  # fmt: skip
PER_TOKEN = (
    0.002, 0.005, 0.01, 0.015, 0.02, 0.025, 0.03, 0.04, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3,
    0.4, 0.5, 0.75, 1, 2.5, 5,
)  # fmt: skip
LATENCY = (
    0.3, 0.5, 0.8, 1, 1.5, 2, 2.5, 5, 10, 15, 20, 30, 40, 50, 60, 120, 240, 480, 960, 1920,
    7680,
)  # fmt: skip
TOKENS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000, 20_000, 50_000, 100_000)
LAG = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5)

REQUEST_HISTOGRAMS = {
    "time_to_first_token_seconds": (FIRST_TOKEN, "Time from the request to its first token."),
    "request_time_per_output_token_seconds": (PER_TOKEN, "Mean time between tokens of a request."),
    "e2e_request_latency_seconds": (LATENCY, "Time from the request to its end."),
    "request_queue_time_seconds": (FIRST_TOKEN, "Time from the request to its prefill."),
    "request_prefill_time_seconds": (FIRST_TOKEN, "Time from prefill to the first token."),
    "request_decode_time_seconds": (LATENCY, "Time from the first token to the end."),
    "request_inference_time_seconds": (LATENCY, "Time from prefill to the end."),
    "request_prompt_tokens": (TOKENS, "Prompt tokens per request."),
    "request_generation_tokens": (TOKENS, "Generated tokens per request."),
}
"""Of each engine request; the choices of one HTTP request are as many engine requests."""


class Metrics:
    """The figures of one Application."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry(auto_describe=False)
        self._models: dict[str, WatchedModel] = {}
        self._histograms = {
            name: self._histogram(name, buckets, text, ("model_name",))
            for name, (buckets, text) in REQUEST_HISTOGRAMS.items()
        }
        self._endings = self._counter(
            "request_success",
            "Finished engine requests: stop, length, tool_calls (ended after a call, where only "
            "one was wanted), error, refused, or abort (client disconnected or deadline exceeded).",
            ("model_name", "finished_reason"),
        )
        self._calls = self._counter(
            "tool_calls",
            "Tool calls in answers: complete, malformed, truncated by the answer's end, or of an "
            "unknown function.",
            ("model_name", "outcome"),
        )
        self._http = self._counter(
            "http_requests",
            "HTTP requests; status 499: client disconnected.",
            ("route", "method", "model_name", "status"),
        )
        self._refused = self._counter(
            "requests_refused",
            "HTTP requests answered with an error, by error code, and refused connections.",
            ("reason",),
        )
        self._lag = self._histogram("loop_lag_seconds", LAG, "Event loop lag.")
        self._registry.register(self)

    def _histogram(
        self, name: str, buckets: Iterable[float], text: str, labels: Iterable[str] = ()
    ) -> Histogram:
        return Histogram(
            name, text, labels, namespace=PREFIX, registry=self._registry, buckets=tuple(buckets)
        )

    def _counter(self, name: str, text: str, labels: Iterable[str]) -> Counter:
        return Counter(name, text, labels, namespace=PREFIX, registry=self._registry)

    # --- what happens ---

    def watch(self, model: Model) -> None:
        """Become the observer of `model`."""
        watched = WatchedModel(
            model, RequestMetrics(model.name, self._histograms, self._endings, self._calls)
        )
        self._models[model.name] = watched
        model.observer = watched.requests

    def forget(self, model: Model) -> None:
        """`model` is gone; another one may have its name by now."""
        watched = self._models.get(model.name)
        if watched is not None and watched.model is model:
            del self._models[model.name]

    def engine_state(self, model: str, state: EngineState) -> None:
        """The engine of `model` has come to `state`."""
        self._models[model].came_to(state)

    def http_request(
        self, route: str, method: str, model: str, status: int, refusal: str | None
    ) -> None:
        self._http.labels(route, method, model, str(status)).inc()
        if refusal is not None:
            self.refused(refusal)

    def refused(self, reason: str) -> None:
        self._refused.labels(reason).inc()

    def loop_lag(self, seconds: float) -> None:
        self._lag.observe(seconds)

    # --- what Prometheus gets ---

    def expose(self) -> bytes:
        """Everything, in the format that CONTENT_TYPE names."""
        return generate_latest(self._registry)

    def catalogue(self) -> Iterator[Description]:
        """What there is, whether or not there are figures yet."""
        for metric in self._registry.collect():
            name = f"{metric.name}_total" if metric.type == "counter" else metric.name
            yield Description(name, metric.type, metric.documentation)

    def collect(self) -> Iterator[Metric]:
        """What is read when it is asked for; see `prometheus_client.registry.Collector`."""
        watched = self._models.values()
        yield _family(
            GaugeMetricFamily, "info", "The server's version.", ["version"], [([__version__], 1)]
        )
        for kind, readings in ((GaugeMetricFamily, GAUGES), (CounterMetricFamily, COUNTERS)):
            for name, text, read in readings:
                found = [([one.model.name], read(one)) for one in watched]
                rows = [(labels, number) for labels, number in found if number is not None]
                yield _family(kind, name, text, BY_MODEL, rows)
        for name, text, counts, reasons in BY_REASON:
            rows = [
                ([one.model.name, reason], float(counts(one.model.lifecycle)[reason]))
                for one in watched
                for reason in reasons
            ]
            yield _family(CounterMetricFamily, name, text, ["model_name", "reason"], rows)
        yield _family(
            CounterMetricFamily,
            "log_lines_dropped",
            "Log lines of the server's process that could not be written.",
            [],
            [([], logs.dropped())],
        )
        yield _family(
            GaugeMetricFamily,
            "process_resident_memory_bytes",
            "Resident memory of the server process and of each engine process.",
            ["process", "model_name"],
            self._memory(),
        )

    def _memory(self) -> Iterator[tuple[list[str], float]]:
        yield ["server", ""], resident_bytes(os.getpid()) or 0
        for one in self._models.values():
            info = one.model.engine.state.info
            size = resident_bytes(info.pid) if info is not None and info.pid else None
            if size is not None:
                yield ["engine", one.model.name], size


@dataclass(frozen=True)
class Description:
    """A metric under the name that Prometheus asks for; `kind` is counter, gauge or histogram."""

    name: str
    kind: str
    text: str


def _family(
    kind: type[GaugeMetricFamily | CounterMetricFamily],
    name: str,
    text: str,
    labels: list[str],
    rows: Iterable[tuple[list[str], float]],
) -> Metric:
    """One time series a row, which is the labels' values and the figure."""
    family = kind(f"{PREFIX}_{name}", text, labels=labels)
    for values, number in rows:
        family.add_metric(values, number)
    return family
