"""Application: the route table, and what the handlers share."""

from __future__ import annotations

import re
from collections.abc import Callable
from concurrent.futures import Executor

import tornado.web
from tornado.web import RequestHandler

from ovapi.api.docs.endpoints import ENDPOINTS
from ovapi.api.ollama.chat import Chat
from ovapi.api.ollama.generate import Generate
from ovapi.api.ollama.handler import OllamaUnknownPath
from ovapi.api.ollama.models import Running, Show, Tags, Version
from ovapi.api.openai.chat import ChatCompletions
from ovapi.api.openai.completions import Completions
from ovapi.api.openai.models import ModelDetail, ModelList
from ovapi.api.openai.tokenization import Detokenize, Tokenize
from ovapi.api.system.health import Health
from ovapi.api.system.index import Documentation, Favicon, Index, OpenApi
from ovapi.api.system.metrics import MetricsPage
from ovapi.api.system.ready import Ready
from ovapi.config.settings import Config
from ovapi.http.access_log import log_access, refusal_of, status_of
from ovapi.http.context import Context
from ovapi.http.generation_handler import GenerationHandler
from ovapi.http.handler import VERBS
from ovapi.http.origin import OriginPolicy
from ovapi.http.rate_limits import Limits
from ovapi.http.tracing import Tracing
from ovapi.http.unknown_path import UnknownPath
from ovapi.serving.metrics import Metrics
from ovapi.serving.model import ModelRegistry
from ovapi.validation.schemas import Schemas

# OpenVINO Model Server has OpenAI's paths under /v3
ROUTES = [
    (r"/v[13]/chat/completions", ChatCompletions),
    (r"/v[13]/completions", Completions),
    (r"/v[13]/models", ModelList),
    (r"/v[13]/models/(.+)", ModelDetail),
    (r"/tokenize", Tokenize),
    (r"/detokenize", Detokenize),
    (r"/api/generate", Generate),
    (r"/api/chat", Chat),
    (r"/api/tags", Tags),
    (r"/api/show", Show),
    (r"/api/ps", Running),
    (r"/api/version", Version),
    (r"/api/.*", OllamaUnknownPath),
    (r"/health", Health),
    (r"/ready", Ready),
    (r"/metrics", MetricsPage),
    (r"/", Index),
    (r"/api_documentation\.md", Documentation),
    (r"/openapi\.json", OpenApi),
    (r"/favicon\.ico", Favicon),
]


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
    ) -> None:
        self.metrics = Metrics()
        for model in registry:
            self.metrics.watch(model)
        origins = _origins(config)
        limits = Limits(config.limits)
        self.context = Context(config, registry, schemas, executor, origins, self.metrics, limits)
        self._routes = route_names()
        self.tracing = tracing
        super().__init__(
            ROUTES,
            default_handler_class=UnknownPath,
            log_function=self._request_ended,
            context=self.context,
        )

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
        self.context.origins = _origins(config)
        self.context.limits.config = config.limits

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


def _origins(config: Config) -> OriginPolicy:
    server = config.server
    return OriginPolicy(server.host, server.cors_origins, server.allowed_hosts)


def route_names() -> dict[type[RequestHandler], str]:
    """The path by which the documentation knows each handler: a set of names that never grows."""
    names: dict[type[RequestHandler], str] = {}
    for endpoint in ENDPOINTS:
        matching = (handler for pattern, handler in ROUTES if re.fullmatch(pattern, endpoint.path))
        names.setdefault(next(matching), endpoint.path)
    return names
