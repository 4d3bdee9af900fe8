"""What may be told of a failure: messages of OpenVINO, free of paths and traces."""

from __future__ import annotations

import re

_PATH = re.compile(r"'?(?:[A-Za-z]:)?[^\s'\"]*[/\\][^\s'\"]*'?")
_NOISE = re.compile(r"^(Exception from |Check '|\[ *[A-Z_]+ *\] *)")
_MAX_CHARACTERS = 300


class LoadError(Exception):
    """A model cannot be loaded; ``str(error)`` is for people, free of paths."""


def describe(error: Exception) -> str:
    """The telling part of a foreign error, in one line without any path."""
    if isinstance(error, LoadError):
        return str(error)
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    telling = [line for line in lines if not _NOISE.match(line)] or lines
    text = _PATH.sub("…", " ".join(telling)) or type(error).__name__
    return text if len(text) <= _MAX_CHARACTERS else text[:_MAX_CHARACTERS] + "…"
