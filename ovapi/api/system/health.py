"""GET /health: 200 as long as the process is well; the body says what it can do."""

from __future__ import annotations

from typing import Any

from ovapi import __version__
from ovapi.http.context import Context
from ovapi.http.handler import ApiHandler
from ovapi.serving.model import Model


class Health(ApiHandler):
    during_drain = True
    public = True

    def get(self) -> None:
        self.write_json(report(self.context))

    head = get


def report(context: Context) -> dict[str, Any]:
    return {
        "status": status(context),
        "version": __version__,
        "models": {model.name: _model(model) for model in context.registry},
    }


def status(context: Context) -> str:
    """The most pressing fact about the server."""
    states = {model.engine.state.status for model in context.registry}
    if context.draining:
        return "draining"
    if states & {"failed", "stopped"}:
        return "degraded"
    return "loading" if "loading" in states else "ok"


def _model(model: Model) -> dict[str, Any]:
    state, stats = model.engine.state, model.stats
    return {
        "status": state.status,
        "detail": state.detail,
        "engine": model.engine.kind,
        "device": state.info.device if state.info is not None else model.config.device,
        "running": stats.running,
        "waiting": stats.waiting,
    }
