"""Dialect: what a package below `ovapi.api` declares of itself, to be served and documented."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tornado.web import RequestHandler

URL = "http://127.0.0.1:8000"


@dataclass(frozen=True, eq=False)
class Endpoint:
    """A verb of a path, who answers it, and what the documentation says of it.

    `path` may have one parameter, ``{id}``, which may hold slashes. `also` are further paths to
    it. `request`, `response` and `chunk` name schemas; without a `response` the answer is of
    `media_type`. `statuses` are further statuses of the same response, with what they mean.
    An endpoint without a `text` is not documented.
    """

    verb: str
    path: str
    handler: type[RequestHandler]
    text: str = ""
    response: str = ""
    request: str | None = None
    chunk: str | None = None
    example: Mapping[str, Any] | None = None
    notes: str = ""
    also: tuple[str, ...] = ()
    media_type: str = "application/json"
    statuses: Mapping[str, str] = field(default_factory=dict)

    @property
    def patterns(self) -> list[str]:
        """The regular expressions of its paths, with a slash at their ends or without."""
        paths = [path.rstrip("/") for path in (self.path, *self.also)]
        return [re.sub(r"\\{\w+\\}", "(.+?)", re.escape(path)) + "/?" for path in paths]

    def curl(self) -> str:
        """The example as a command line, which a test runs."""
        path = self.path.replace("{id}", "ovapi-demo")
        command = f"curl {URL}{path}"
        if self.example is None:
            return command
        body = shlex.quote(json.dumps(self.example, indent=2, ensure_ascii=False))
        return f"{command} \\\n  -H 'Content-Type: application/json' \\\n  -d {body}"


@dataclass(frozen=True, eq=False)
class Dialect:
    """`unknown` answers paths that match its pattern and are none of the endpoints'."""

    name: str
    endpoints: tuple[Endpoint, ...]
    error_schema: str = "openai/error"
    stream_type: str = "text/event-stream"
    unknown: tuple[str, type[RequestHandler]] | None = None

    @property
    def documented(self) -> list[Endpoint]:
        return [endpoint for endpoint in self.endpoints if endpoint.text]

    def routes(self) -> list[tuple[str, type[RequestHandler]]]:
        """Patterns and handlers, in the order in which they are tried."""
        own = [(pattern, one.handler) for one in self.endpoints for pattern in one.patterns]
        return own if self.unknown is None else [*own, self.unknown]
