"""UnknownPath: the answer to everything that is not in the route table."""

from __future__ import annotations

from ovapi.errors import NotFound
from ovapi.http.handler import VERBS, ApiHandler


class UnknownPath(ApiHandler):
    """Every path that no route matches."""

    def admit(self) -> None:
        super().admit()
        raise NotFound("Unknown endpoint. GET / lists the endpoints.")

    @classmethod
    def allowed(cls) -> list[str]:
        return list(VERBS)
