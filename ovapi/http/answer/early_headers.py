"""EarlyHeaders: keeps a connection alive whose answer is long in coming.

Clients and proxies give up after some time without a byte, 300 s in many. So from
`server.early_headers_seconds` on the headers go out, and something blank every now and then: a
comment in server-sent events, a space before JSON. It has a price: the status is 200 before the
outcome is known, and an error can only come in the body.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from tornado.iostream import StreamClosedError
from tornado.web import RequestHandler

from ovapi.config.settings import ServerConfig
from ovapi.http.tornado_private import send_part


class EarlyHeaders:
    """Of one answer of `handler`; `set_headers` is called first. Until `stop` nobody else may
    write."""

    def __init__(
        self,
        handler: RequestHandler,
        settings: ServerConfig,
        blank: bytes,
        set_headers: Callable[[], None],
    ) -> None:
        self._handler = handler
        self._settings = settings
        self._blank = blank
        self._set_headers = set_headers
        self._task = asyncio.create_task(self._run())

    def stop(self) -> None:
        self._task.cancel()

    async def _run(self) -> None:
        await asyncio.sleep(self._settings.early_headers_seconds)
        self._set_headers()
        try:
            while True:
                flushed = send_part(self._handler, self._blank)
                if flushed is not None:
                    await flushed
                await asyncio.sleep(self._settings.keepalive_seconds)
        except StreamClosedError:
            """The client has gone; its handler is told by Tornado."""
