"""GET /metrics: the server's figures for Prometheus."""

from __future__ import annotations

from ovapi.http.handler import ApiHandler
from ovapi.serving.metrics.metrics import CONTENT_TYPE


class MetricsPage(ApiHandler):
    during_drain = True

    def get(self) -> None:
        self.set_header("Content-Type", CONTENT_TYPE)
        self.write(self.context.metrics.expose())

    head = get
