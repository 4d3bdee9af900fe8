"""What is no dialect's: how the server is, and its documentation."""

from __future__ import annotations

from ovapi.api.system.health import Health
from ovapi.api.system.index import Documentation, Favicon, Index, OpenApi
from ovapi.api.system.metrics import MetricsPage
from ovapi.api.system.ready import Ready
from ovapi.http.dialect import Dialect, Endpoint

ENDPOINTS = (
    Endpoint(
        "GET",
        "/health",
        Health,
        "Liveness: 200 while the process works, with the state of each model.",
        response="system/health",
    ),
    Endpoint(
        "GET",
        "/ready",
        Ready,
        "Readiness: 200, or 503 with the reasons. The server is ready when it is not stopping and "
        "its default model is loaded or loads on the first request.",
        response="system/ready",
        statuses={"503": "Not ready."},
    ),
    Endpoint(
        "GET",
        "/metrics",
        MetricsPage,
        "Metrics in Prometheus text format. Metrics that mean the same as in vLLM have vLLM's "
        "names with the prefix `ovapi_`.",
        media_type="text/plain",
    ),
    Endpoint(
        "GET",
        "/",
        Index,
        "Lists models and endpoints: HTML, or JSON where the client accepts it.",
        media_type="text/html",
    ),
    Endpoint(
        "GET",
        "/api_documentation.md",
        Documentation,
        "The API documentation.",
        media_type="text/plain",
    ),
    Endpoint("GET", "/openapi.json", OpenApi, "Endpoints and schemas as an OpenAPI 3.1 document."),
    Endpoint("GET", "/favicon.ico", Favicon),
)

SYSTEM = Dialect("system", ENDPOINTS)
