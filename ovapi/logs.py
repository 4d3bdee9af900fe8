"""Log lines: one for each event, for people or as JSON, with nothing in it that steers a terminal.

What is known about an event besides its message comes as ``extra={"fields": {…}}``: in JSON each
is a key of its own. Prompts and answers are logged in one place only: `prompt_log`.
"""

from __future__ import annotations

import json
import logging
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Literal

Format = Literal["text", "json"]

CONTROLS = [*range(32), *range(127, 160), 0x2028, 0x2029]
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
        return "text" if sys.stderr.isatty() else "json"
    return "text" if wanted == "text" else "json"


def configure(level: str, form: Format) -> None:
    """Write everything from `level` up to standard error, in `form`."""
    handler = logging.StreamHandler()
    handler.setFormatter(TextFormatter() if form == "text" else JsonFormatter())
    logging.basicConfig(level=level, handlers=[handler], force=True)
