"""GET /ready: 200 if a request would be served now, or after a load that it waits for; else 503."""

from __future__ import annotations

from ovapi.errors import ApiError
from ovapi.http.context import Context
from ovapi.http.handler import ApiHandler


class Ready(ApiHandler):
    during_drain = True
    public = True

    def get(self) -> None:
        reasons = obstacles(self.context)
        self.set_status(503 if reasons else 200)
        self.write_json({"ready": not reasons, "reasons": reasons})

    head = get


def obstacles(context: Context) -> list[str]:
    """What keeps a request that names no model from being served; empty if nothing does."""
    reasons = ["The server is shutting down."] if context.draining else []
    try:
        context.registry.get(None).lifecycle.check()
    except ApiError as error:
        reasons.append(error.message)
    return reasons
