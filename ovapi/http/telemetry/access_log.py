"""The access log: one line a request, in which nothing that a client sent is taken at its word."""

from __future__ import annotations

import logging

from tornado.web import RequestHandler

from ovapi.errors import ApiError
from ovapi.http.request_admission import RequestAdmission

log = logging.getLogger("ovapi.access")

CLIENT_GONE = 499
MAX_PATH_CHARACTERS = 200
LINE = (
    "%(client)s '%(key)s' %(method)s '%(path)s' %(status)d %(milliseconds).1fms "
    "%(request)s %(answer)s %(refusal)s"
)
"""`answer` is the id that a generation has in the engine, `refusal` the code of the error."""


def status_of(handler: RequestHandler) -> int:
    """What came of the request; CLIENT_GONE if nobody was there any more to be told."""
    return CLIENT_GONE if getattr(handler, "gone", False) else handler.get_status()


def refusal_of(handler: RequestHandler) -> str | None:
    """The code of the error that the client was given instead of an answer, or its type."""
    error: ApiError | None = getattr(handler, "refusal", None)
    return (error.code or error.type) if error is not None else None


def key_of(handler: RequestHandler) -> str | None:
    """The name of the key that the request came with."""
    admission: RequestAdmission | None = getattr(handler, "admission", None)
    return admission.key_name if admission is not None else None


def log_access(handler: RequestHandler) -> None:
    """Log a request that has ended or whose client has gone.

    `ascii` escapes whatever could break the line or look like another part of it.
    """
    request, status = handler.request, status_of(handler)
    level = logging.WARNING if status >= 500 and status != 503 else logging.INFO
    fields = {
        "client": request.remote_ip,
        "key": key_of(handler) or "-",
        "method": ascii(request.method)[1:-1],
        "path": ascii(request.uri)[1:-1][:MAX_PATH_CHARACTERS],
        "status": status,
        "milliseconds": round(1000 * request.request_time(), 1),
        "request": getattr(handler, "request_id", "-"),
        "answer": getattr(handler, "answer_id", "-"),
        "refusal": refusal_of(handler) or "-",
    }
    log.log(level, LINE, fields, extra={"fields": fields})
