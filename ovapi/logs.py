"""Log lines: one for each event, for people or as JSON, with nothing in it that steers a terminal.

What is known about an event besides its message comes as ``extra={"fields": {…}}``: in JSON each
is a key of its own. Prompts and answers are logged in one place only: `ovapi.api.transcript`.
"""

from __future__ import annotations

import json
import logging
import sys
import time
from typing import Literal

Format = Literal["text", "json"]

CONTROLS = [*range(32), *range(127, 160), 0x2028, 0x2029]
ESCAPES = {code: f"\\u{code:04x}" for code in CONTROLS}


class TextFormatter(logging.Formatter):
    """For people. A trace follows its line, indented."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s: %(message)s")

    def formatMessage(self, record: logging.LogRecord) -> str:
        return super().formatMessage(record).translate(ESCAPES)

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
