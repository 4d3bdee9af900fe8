"""Log lines: one for each event, for people or as JSON, with nothing in it that steers a terminal.

What is known about an event besides its message comes as ``extra={"fields": {…}}``: in JSON each
is a key of its own. Prompts and answers are logged in one place only: `prompt_log`.
"""

from __future__ import annotations

import json
import logging
import os
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from types import TracebackType
from typing import Literal

from ovapi.log_writer import LogWriter

Format = Literal["text", "json"]

STANDARD_ERROR = 2

CONTROLS = [*range(32), *range(127, 160), 0x2028, 0x2029]
_writer: LogWriter | None = None
_about: ContextVar[Mapping[str, str]] = ContextVar("about")

ESCAPES = {code: f"\\u{code:04x}" for code in CONTROLS}


@contextmanager
def about(subject: Mapping[str, str]) -> Iterator[None]:
    """Have the lines logged inside, by this thread or task, end with what they are about."""
    token = _about.set(subject)
    try:
        yield
    finally:
        _about.reset(token)


def subject() -> Mapping[str, str]:
    """What lines are about just now: names and ids."""
    return _about.get({})


class TextFormatter(logging.Formatter):
    """For people. A trace follows its line, indented."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s: %(message)s")

    def formatMessage(self, record: logging.LogRecord) -> str:
        ids = "".join(f" {name}={value}" for name, value in subject().items())
        line = f"{super().formatMessage(record)}{f' [{ids[1:]}]' if ids else ''}"
        return line.translate(ESCAPES)

    def formatException(self, *arguments: object) -> str:
        lines = super().formatException(*arguments).splitlines()  # type: ignore[arg-type]
        return "\n".join(f"    {line.translate(ESCAPES)}" for line in lines)


class JsonFormatter(logging.Formatter):
    """For programs: an object a line, in ASCII."""

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": _timestamp(record.created),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
            **subject(),
            **getattr(record, "fields", {}),
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str).replace("\x7f", "\\u007f")


def _timestamp(seconds: float) -> str:
    """RFC 3339 in UTC, with milliseconds."""
    whole = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))
    return f"{whole}.{int(seconds * 1000) % 1000:03d}Z"


def choose(wanted: str) -> Format:
    """``auto`` is for people where there is a terminal to read it on."""
    if wanted == "auto":
        return "text" if os.isatty(STANDARD_ERROR) else "json"
    return "text" if wanted == "text" else "json"


def configure(level: str, form: Format) -> None:
    """Write everything from `level` up to standard error, in `form`, without ever waiting for it.

    Python's own warnings, and exceptions that nobody catches, go the same way.
    """
    global _writer
    _writer = LogWriter(STANDARD_ERROR)
    _writer.setFormatter(TextFormatter() if form == "text" else JsonFormatter())
    logging.basicConfig(level=level, handlers=[_writer], force=True)
    logging.captureWarnings(True)
    sys.excepthook = _log_uncaught
    threading.excepthook = lambda hook: _log_uncaught(
        hook.exc_type, hook.exc_value or hook.exc_type(), hook.exc_traceback
    )


def flush() -> None:
    """Wait, not for long, until what was logged is written: the process is about to end."""
    if _writer is not None:
        _writer.flush()


def dropped() -> int:
    """Lines that could not be written."""
    return _writer.dropped if _writer is not None else 0


def _log_uncaught(
    kind: type[BaseException], error: BaseException, trace: TracebackType | None
) -> None:
    if not issubclass(kind, KeyboardInterrupt):
        logging.getLogger("ovapi").critical("uncaught", exc_info=(kind, error, trace))
