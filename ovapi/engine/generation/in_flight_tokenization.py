"""InFlightTokenization: a text to tokenize, or ids to turn into text, and who waits for that."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ovapi.engine.generation.in_flight import InFlight
from ovapi.engine.generation.messages import Detokenize, Tokenize
from ovapi.errors import ApiError


@dataclass(slots=True)
class InFlightTokenization(InFlight):
    """`answer` gets the result or an ApiError."""

    command: Tokenize | Detokenize
    answer: asyncio.Future[tuple[int, ...] | str]

    @property
    def id(self) -> str:
        return self.command.request_id

    @property
    def names(self) -> Mapping[str, str]:
        return self.command.subject

    @property
    def progress(self) -> int:
        return 0

    def deliver(self, event: Any) -> bool:
        if isinstance(event, ApiError):
            self.fail(event)
        elif not self.answer.done():
            assert isinstance(event, tuple | str)
            self.answer.set_result(event)
        return True

    def fail(self, error: ApiError) -> None:
        if not self.answer.done():
            self.answer.set_exception(error)
