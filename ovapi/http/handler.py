"""ApiHandler: what every endpoint shares, whatever its dialect.

A request passes `admit` (may this page and this key ask? is the server draining? does the endpoint
take the verb?), then its body arrives in `data_received`, then the method for its verb runs. Every
refusal is an ApiError and becomes bytes in one place, `fail`.
"""

from __future__ import annotations

import asyncio
import logging
import re
import secrets
from collections.abc import AsyncIterator, Coroutine, Mapping
from contextlib import asynccontextmanager
from functools import cached_property
from types import TracebackType
from typing import Any, ClassVar, TypeVar

from tornado.http1connection import HTTP1Connection
from tornado.iostream import StreamClosedError
from tornado.web import HTTPError, stream_request_body

from ovapi.errors import ApiError, PayloadTooLarge
from ovapi.http.answer.error_responses import foreign, openai_error
from ovapi.http.answer.json_encoder import encode_json
from ovapi.http.body.parser import check_headers, parse
from ovapi.http.body.reader import BodyReader, size_of
from ovapi.http.context import Context
from ovapi.http.rate_limits import Quota
from ovapi.http.request_admission import RequestAdmission
from ovapi.http.tornado_private import (
    LoggedOnce,
    buffered_bytes,
    headers_written,
    is_implemented,
)
from ovapi.serving.model import Model
from ovapi.validation.schemas import Schemas

log = logging.getLogger("ovapi.api")

T = TypeVar("T")

OFFLOAD_BYTES = 16 * 1024
"""Larger bodies are parsed and checked in the executor: about 10 ms of work."""
REQUEST_ID = re.compile(r"[A-Za-z0-9._:-]{1,128}")
VERBS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")


@stream_request_body
class ApiHandler(LoggedOnce):
    """A handler that answers in JSON; a dialect with errors of its own overrides `error_body`.

    The body is taken in by ourselves, since Tornado closes the connection without a word where
    one is too large. A refused request's body is read and dropped before the answer goes out:
    closing on a client that still sends would destroy the answer on its way.
    """

    during_drain: ClassVar[bool] = False
    """Whether the endpoint still answers while the server drains."""
    public: ClassVar[bool] = False
    """Whether the endpoint answers without a key."""
    metered: ClassVar[bool] = False
    """Whether its requests count against the limits of their key."""
    quota: Quota | None = None
    """What the rate of the key leaves."""

    def initialize(self) -> None:
        self.model_name = ""
        self.answer_id = "-"
        self.refusal: ApiError | None = None
        self.gone = False
        self.admission = RequestAdmission(self.context)
        limit = self.context.config.server.max_body_bytes
        self._body = BodyReader(self.context.bodies, limit, self._refuse)
        self._wait: asyncio.Future[None] | None = None

    @property
    def context(self) -> Context:
        context: Context = self.settings["context"]
        return context

    @cached_property
    def request_id(self) -> str:
        """The client's X-Request-ID where it is harmless, else one of our own."""
        given = self.request.headers.get("X-Request-ID", "")
        return given if REQUEST_ID.fullmatch(given) else f"req-{secrets.token_hex(12)}"

    @property
    def url(self) -> str:
        """The server's URL as the client knows it, without a slash at its end."""
        base = self.context.config.server.base_path
        return f"{self.request.protocol}://{self.request.host}{base}"

    @property
    def connection(self) -> HTTP1Connection:
        assert isinstance(self.request.connection, HTTP1Connection)
        return self.request.connection

    def set_default_headers(self) -> None:
        self.set_header("Server", "ovapi")
        self.set_header("Content-Type", "application/json")
        self.set_header("X-Content-Type-Options", "nosniff")
        self.set_header("X-Request-ID", self.request_id)
        for name, value in self.context.origins.headers(self._origin).items():
            self.set_header(name, value)
        for name, value in (self.quota.headers() if self.quota is not None else {}).items():
            self.set_header(name, value)

    @property
    def _origin(self) -> str | None:
        return self.request.headers.get("Origin")

    def compute_etag(self) -> None:
        """Nothing here is worth caching."""

    # --- on the way in ---

    def prepare(self) -> None:
        self.admission.begin()
        self.connection.set_max_body_size(2**63)  # ours is checked by the BodyReader
        try:
            self.admit()
            self._body.begin(self.caller, self.request.headers.get("Content-Length", ""))
        except ApiError as error:
            if self.request.headers.get("Expect", "").lower() == "100-continue":
                raise  # the client waits with its body, so the answer can go out at once
            self._refuse(error)

    def admit(self) -> None:
        """Raise the ApiError that keeps this request out, before its body is read."""
        self.admission.check(self.request, self.allowed(), self.public, self.during_drain)
        if self.metered and self.request.method != "OPTIONS":
            try:
                self.admission.enter()
            finally:
                self.quota = self.context.limits.quota(self.caller)
                self.set_default_headers()

    @property
    def caller(self) -> str:
        """Whose request it is: the name of the key, "" where there are no keys."""
        return self.admission.caller

    @classmethod
    def allowed(cls) -> list[str]:
        """The verbs that this endpoint implements."""
        return [verb for verb in VERBS if is_implemented(cls, verb)]

    def data_received(self, chunk: bytes) -> None:
        if not self._body.feed(chunk):
            self.connection.stream.close()

    def _refuse(self, error: ApiError) -> None:
        """Drop the body, and let Tornado raise `error` where it would call the verb's method.

        A body that is too large may be endless: that answer goes out at once.
        """

        def answer(*_: str) -> None:
            if not headers_written(self):
                raise error

        self._body.drop()
        assert self.request.method is not None
        setattr(self, self.request.method.lower(), answer)
        if isinstance(error, PayloadTooLarge):
            self.fail(error)
            self.set_header("Content-Length", buffered_bytes(self))
            self.flush()

    @asynccontextmanager
    async def using(
        self, model: Model, requests: int = 1, until: float | None = None
    ) -> AsyncIterator[None]:
        """`model` is loaded, and stays so, while the body of the statement runs.

        Raises the ApiErrors of `Model.arrival` and its result, or StreamClosedError if the
        client goes while it waits.
        """
        with model.lifecycle.use(self.caller):
            self._wait = model.arrival(requests, until)
            if self._wait is not None:
                await self._wait
            yield

    @property
    def deadline(self) -> float:
        """The time of the loop by which the server's own limit has the answer end."""
        arrival = asyncio.get_running_loop().time() - self.request.request_time()
        return arrival + self.context.config.limits.request_seconds

    async def while_here(self, work: Coroutine[Any, Any, T]) -> T:
        """The result of `work`. When the client goes, that is cancelled: StreamClosedError."""
        gone = self._wait = asyncio.get_running_loop().create_future()
        task = asyncio.create_task(work)
        try:
            await asyncio.wait((task, gone), return_when=asyncio.FIRST_COMPLETED)
            if gone.done():
                gone.result()
            return task.result()
        finally:
            self._wait = None
            task.cancel()

    def check_body_headers(self) -> None:
        """Raise UnsupportedMediaType unless the headers announce a body that we read."""
        check_headers(self.request.headers)

    async def read_json(self, schema: str) -> dict[str, Any]:
        """The body, checked against `schema`. Raises InvalidRequest or UnsupportedMediaType."""
        self.check_body_headers()
        data, schemas = self._body.take(), self.context.schemas
        if len(data) <= OFFLOAD_BYTES:
            return _read(data, schemas, schema)
        loop, executor = asyncio.get_running_loop(), self.context.executor
        body, size = await loop.run_in_executor(executor, _read_large, data, schemas, schema)
        self._body.parsed(size)
        return body

    # --- on the way out ---

    def options(self, *_: str) -> None:
        self.set_header("Allow", ", ".join([*self.allowed(), "OPTIONS"]))
        wanted = self.request.headers.get("Access-Control-Request-Headers", "")
        for name, value in self.context.origins.preflight_headers(self._origin, wanted).items():
            self.set_header(name, value)
        self.set_status(204)

    def write_json(self, value: Mapping[str, Any]) -> None:
        self.write(encode_json(value))

    def fail(self, error: ApiError) -> None:
        """Make `error` the answer: its status, its headers and the dialect's body.

        What led to it goes: its frames have the request's text, and it is in a cycle with them.
        """
        self.refusal = error
        error.__traceback__ = error.__context__ = error.__cause__ = None
        self.clear()
        self.set_status(error.status)
        if error.retry_after is not None:
            self.set_header("Retry-After", error.retry_after)
        if error.status == 401:
            self.set_header("WWW-Authenticate", "Bearer")
        if error.status == 405:
            self.set_header("Allow", ", ".join([*self.allowed(), "OPTIONS"]))
        self.write_json(self.error_body(error))

    def error_body(self, error: ApiError) -> dict[str, Any]:
        return openai_error(error)

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        """Tornado's hook for every exception that a handler lets out."""
        self.fail(error_of(status_code, kwargs.get("exc_info")))
        self.finish()

    def log_exception(
        self,
        typ: type[BaseException] | None,
        value: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        """A refusal is in the access log; what nobody expected gets its trace."""
        if not isinstance(value, (ApiError, HTTPError, StreamClosedError)):
            fields = {"request": self.request_id}
            log.error(
                "request %s failed", self.request_id, exc_info=value, extra={"fields": fields}
            )

    def on_connection_close(self) -> None:
        """The client has gone; Tornado lets the method go on, which sees it by `gone`."""
        super().on_connection_close()
        self.gone = True
        if self._wait is not None and not self._wait.done():
            self._wait.set_exception(StreamClosedError())
        self.log_request()
        self._end()

    def on_finish(self) -> None:
        self._end()

    def _end(self) -> None:
        self._body.drop()
        self.admission.end()


def error_of(status: int, exc_info: tuple[Any, ...] | None) -> ApiError:
    """The error that Tornado's hooks are told of: ours, or what stands for a foreign one."""
    cause = exc_info[1] if exc_info is not None else None
    return cause if isinstance(cause, ApiError) else foreign(status)


def _read(data: bytes, schemas: Schemas, schema: str) -> dict[str, Any]:
    body = parse(data)
    schemas.validate(schema, body)
    return body


def _read_large(data: bytes, schemas: Schemas, schema: str) -> tuple[dict[str, Any], int]:
    """The body, and about what it takes in memory."""
    body = _read(data, schemas, schema)
    return body, size_of(body)
