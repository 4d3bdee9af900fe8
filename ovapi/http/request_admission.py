"""RequestAdmission: whether a request may come in, and what it counts against until its end."""

from __future__ import annotations

from collections.abc import Sequence

from tornado.httputil import HTTPServerRequest

from ovapi.errors import Draining, MethodNotAllowed
from ovapi.http.context import Context


class RequestAdmission:
    """Belongs to one request. `key_name` is that of the key it came with, if it needed one."""

    def __init__(self, context: Context) -> None:
        self.key_name: str | None = None
        self._context = context
        self._counted = False
        self._entered = False

    @property
    def caller(self) -> str:
        """Whose request it is: the name of the key, "" where there are no keys."""
        return self.key_name or ""

    def begin(self) -> None:
        """The request's headers have come: it is in flight until `end`."""
        self._counted = True
        self._context.active += 1

    def check(
        self, request: HTTPServerRequest, verbs: Sequence[str], public: bool, during_drain: bool
    ) -> None:
        """Raise the ApiError that keeps the request out, before its body is read.

        `verbs` are those that the endpoint takes. Browsers send OPTIONS without a key, to ask
        whether they may send one.
        """
        headers = request.headers
        host = headers.get("Host") or request.host
        self._context.origins.check(host, headers.get("Origin"), request.host)
        if request.method == "OPTIONS":
            return
        if self._context.config.keys and not public:
            self.key_name = self._context.config.keys.authenticate(
                headers.get("Authorization"), headers.get("X-Api-Key")
            )
        if self._context.draining and not during_drain:
            raise Draining("The server is shutting down.")
        if request.method not in verbs:
            raise MethodNotAllowed(f"Method not allowed. Allowed: {', '.join(verbs)}.")

    def enter(self) -> None:
        """Count the request against the limits of its key. Raises RateLimited."""
        self._context.limits.enter(self.caller)
        self._entered = True

    def end(self) -> None:
        """The request has ended, however; a second time does nothing."""
        if self._counted:
            self._counted = False
            self._context.active -= 1
            if not self._context.active:
                self._context.on_idle()
        if self._entered:
            self._entered = False
            self._context.limits.leave(self.caller)
