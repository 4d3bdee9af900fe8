"""The access log: one line a request, in which nothing that a client sent is taken at its word."""

from __future__ import annotations

import logging

from tornado.web import RequestHandler

log = logging.getLogger("ovapi.access")

CLIENT_GONE = 499
LONGEST_PATH = 200


def status_of(handler: RequestHandler) -> int:
    """What came of the request; CLIENT_GONE if nobody was there any more to be told."""
    return CLIENT_GONE if getattr(handler, "gone", False) else handler.get_status()


def log_access(handler: RequestHandler) -> None:
    """Log a request that has ended or whose client has gone.

    `ascii` escapes whatever could break the line or steer a terminal.
    """
    request, status = handler.request, status_of(handler)
    level = logging.WARNING if status >= 500 and status != 503 else logging.INFO
    log.log(
        level,
        "%s %s %s %s %d %.1fms %s",
        request.remote_ip,
        ascii(getattr(handler, "key_name", None) or "-"),
        ascii(request.method)[1:-1],
        ascii(request.uri)[:LONGEST_PATH],
        status,
        1000 * request.request_time(),
        getattr(handler, "request_id", "-"),
    )
