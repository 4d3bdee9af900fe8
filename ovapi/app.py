"""Application: the route table, and what the handlers share."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Executor
from typing import Any

import tornado.web
from tornado.httputil import HTTPServerRequest
from tornado.web import RequestHandler

from ovapi.api.dialects import DIALECTS
from ovapi.config.settings import Config
from ovapi.http.body.budget import BodyBudget
from ovapi.http.connection.origin import OriginPolicy, is_loopback
from ovapi.http.connection.proxies import TrustedProxies
from ovapi.http.context import Context
from ovapi.http.generation_handler import GenerationHandler
from ovapi.http.handler import VERBS
from ovapi.http.rate_limits import Limits
from ovapi.http.telemetry.access_log import log_access, refusal_of, status_of
from ovapi.http.telemetry.tracing import Tracing
from ovapi.http.unknown_path import UnknownPath
from ovapi.serving.metrics.metrics import Metrics
from ovapi.serving.registry import ModelRegistry
from ovapi.validation.schemas import Schemas


class Application(tornado.web.Application):
    """The HTTP side of one server; it owns nothing that must be closed.

    Serve it with a `LimitedHTTPServer`. The handlers keep `server.max_body_bytes`
    themselves, to answer 413.
    """

    def __init__(
        self,
        config: Config,
        registry: ModelRegistry,
        schemas: Schemas,
        executor: Executor,
        tracing: Tracing | None = None,
        loopback: bool | None = None,
    ) -> None:
        """`loopback`: whether the sockets are on it, if that is known; else `server.host` tells."""
        host = config.server.host
        self._loopback = is_loopback(host) if loopback is None else loopback
        self.metrics = Metrics()
        for model in registry:
            self.metrics.watch(model)
        self.context = Context(
            dialects=DIALECTS,
            config=config,
            registry=registry,
            schemas=schemas,
            executor=executor,
            origins=self._origins(config),
            proxies=_proxies(config),
            metrics=self.metrics,
            limits=Limits(config.limits),
            bodies=BodyBudget(*_body_limits(config)),
        )
        self._routes = route_names()
        self.tracing = tracing
        super().__init__(
            [route for dialect in DIALECTS for route in dialect.routes()],
            default_handler_class=UnknownPath,
            log_function=self._request_ended,
            context=self.context,
        )

    def find_handler(self, request: HTTPServerRequest, **kwargs: Any) -> Any:
        """Tornado's hook: a request's headers have come, through a proxy or not."""
        if self.context.proxies is not None:
            self.context.proxies.apply(request)
        request.path = _below(self.context.config.server.base_path, request.path)
        return super().find_handler(request, **kwargs)

    def _request_ended(self, handler: RequestHandler) -> None:
        log_access(handler)
        route = self._routes.get(type(handler), "other")
        if self.tracing is not None and isinstance(handler, GenerationHandler):
            self.tracing.ended(handler, route)
        method = handler.request.method
        self.metrics.http_request(
            route=route,
            method=method if method in (*VERBS, "OPTIONS") else "other",
            model=getattr(handler, "model_name", ""),
            status=status_of(handler),
            refusal=refusal_of(handler),
        )

    def configure(self, config: Config) -> None:
        """Treat all requests from now on by `config`; those in hand go on."""
        self.context.config = config
        self.context.origins = self._origins(config)
        self.context.proxies = _proxies(config)
        self.context.limits.config = config.limits
        self.context.bodies.configure(*_body_limits(config))

    def _origins(self, config: Config) -> OriginPolicy:
        server = config.server
        return OriginPolicy(server.host, server.cors_origins, server.allowed_hosts, self._loopback)

    def drain(self, on_idle: Callable[[], None]) -> None:
        """Refuse new requests with 503; `on_idle` is called once none is in hand any more."""
        self.context.draining = True
        self.context.on_idle = on_idle
        if not self.active:
            on_idle()

    @property
    def active(self) -> int:
        """Requests in hand, from their headers to the last byte of their answer."""
        return self.context.active


def _proxies(config: Config) -> TrustedProxies | None:
    networks = config.server.trusted_proxies
    return TrustedProxies(networks) if networks else None


def _below(base: str, path: str) -> str:
    """The path without `base` before it, if it is: some proxies take it off themselves."""
    return (path.removeprefix(base) or "/") if f"{path}/".startswith(f"{base}/") else path


def _body_limits(config: Config) -> tuple[int, float]:
    """The bytes of all bodies, and the share that one caller may have: all, if it is alone."""
    return config.limits.body_bytes, 0.5 if len(config.keys) > 1 else 1.0


def route_names() -> dict[type[RequestHandler], str]:
    """The path by which the documentation knows each handler: a set of names that never grows."""
    return {one.handler: one.path for dialect in DIALECTS for one in dialect.documented}
