"""Application: the route table, and what the handlers share."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Executor

import tornado.web

from ovapi.api.access_log import log_access
from ovapi.api.health import Health
from ovapi.api.index import Documentation, Favicon, Index
from ovapi.api.ollama import OllamaUnknownPath
from ovapi.api.ollama_chat import Chat
from ovapi.api.ollama_generate import Generate
from ovapi.api.ollama_models import Running, Show, Tags, Version
from ovapi.api.openai_chat import ChatCompletions
from ovapi.api.openai_completions import Completions
from ovapi.api.openai_models import ModelDetail, ModelList
from ovapi.api.services import Services
from ovapi.api.tokenization import Detokenize, Tokenize
from ovapi.api.unknown import UnknownPath
from ovapi.config import Config
from ovapi.models import ModelRegistry
from ovapi.origin import OriginPolicy
from ovapi.schema import Schemas

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
    (r"/", Index),
    (r"/api_documentation\.md", Documentation),
    (r"/favicon\.ico", Favicon),
]


class Application(tornado.web.Application):
    """The HTTP side of one server; it owns nothing that must be closed.

    Serve it with ``HTTPServer(app, max_header_size=…, body_timeout=…, idle_connection_timeout=…)``.
    `HTTPServer`'s own `max_body_size` does not count: the handlers keep `server.max_body_bytes`
    themselves, to answer 413.
    """

    def __init__(
        self, config: Config, registry: ModelRegistry, schemas: Schemas, executor: Executor
    ) -> None:
        limits = config.server
        origins = OriginPolicy(limits.host, limits.cors_origins, limits.allowed_hosts)
        self.services = Services(config, registry, schemas, executor, origins)
        super().__init__(
            ROUTES,
            default_handler_class=UnknownPath,
            log_function=log_access,
            services=self.services,
        )

    def drain(self, on_idle: Callable[[], None]) -> None:
        """Refuse new requests with 503; `on_idle` is called once none is in hand any more."""
        self.services.draining = True
        self.services.on_idle = on_idle
        if not self.active:
            on_idle()

    @property
    def active(self) -> int:
        """Requests in hand, from their headers to the last byte of their answer."""
        return self.services.active
