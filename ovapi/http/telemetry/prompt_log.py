"""PromptLog: the log line of what a request asked and what it got, for who has asked for it.

Without ``logging.prompts: true`` nothing here runs, and no line of any log has such text in it.
"""

from __future__ import annotations

import json
import logging
from collections import defaultdict
from collections.abc import Mapping
from itertools import islice
from typing import Any

from ovapi.core import Delta
from ovapi.http.answer.encoder import EventBatch, ResponseEncoder

log = logging.getLogger("ovapi.prompts")

ASKED = ("system", "messages", "prompt")
"""The parts of a body, in any dialect, that hold what was asked."""
MAX_CHARACTERS = 8192
"""Characters of what was asked, and of the answer: the middle of longer ones is left out."""
MAX_ITEMS = 100
LINE = "%(request)s %(answer)s %(model)s asked: %(asked)s got: %(got)s"


class PromptLog:
    """What goes into the line of one request; `note` takes its events as they come."""

    def __init__(self, body: Mapping[str, Any]) -> None:
        self._asked = {name: _bounded(body[name]) for name in ASKED if name in body}
        self._got: defaultdict[int, list[str]] = defaultdict(list)

    def of(self, answer: ResponseEncoder) -> ResponseEncoder:
        """`answer`, of which this takes note from now on."""
        return _LoggedEncoder(answer, self)

    def note(self, batch: EventBatch) -> None:
        for choice, event in batch:
            if isinstance(event, Delta):
                self._got[choice].append(event.text)

    def write(self, request: str, answer: str, model: str) -> None:
        """The line, at the request's end, however it ended."""
        texts = ["".join(self._got[choice]) for choice in sorted(self._got)]
        fields = {
            "request": request,
            "answer": answer,
            "model": model,
            "asked": _text(self._asked),
            "got": _text(texts),
        }
        log.info(LINE, fields, extra={"fields": fields})


class _LoggedEncoder:
    """An `ResponseEncoder` that shows its batches to a transcript."""

    def __init__(self, answer: ResponseEncoder, transcript: PromptLog) -> None:
        self._answer = answer
        self._prompt_log = transcript
        self.content_type, self.keep_alive = answer.content_type, answer.keep_alive
        self.end, self.error, self.body = answer.end, answer.error, answer.body

    def encode(self, batch: EventBatch) -> bytes:
        self._prompt_log.note(batch)
        return self._answer.encode(batch)

    def add(self, batch: EventBatch) -> None:
        self._prompt_log.note(batch)
        self._answer.add(batch)


def _text(value: Any) -> str:
    return _ends(json.dumps(value, ensure_ascii=False))


def _bounded(value: Any) -> Any:
    """A copy of JSON data that takes no time to print: of each part its ends."""
    if isinstance(value, str):
        return _ends(value)
    if isinstance(value, list):
        return [_bounded(item) for item in value[-MAX_ITEMS:]]
    if isinstance(value, dict):
        return {_ends(key): _bounded(item) for key, item in islice(value.items(), MAX_ITEMS)}
    return value


def _ends(text: str) -> str:
    half, left_out = MAX_CHARACTERS // 2, len(text) - MAX_CHARACTERS
    return f"{text[:half]}[… {left_out} …]{text[-half:]}" if left_out > 0 else text
