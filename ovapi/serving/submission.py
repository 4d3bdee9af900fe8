"""Submission: the engine requests of one HTTP request, and the slot that each of them holds."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from ovapi.core import GenerateRequest, Sink
from ovapi.language.answer_reader import AnswerReader
from ovapi.serving.admission import Demand
from ovapi.serving.event_stream import EventStream
from ovapi.serving.metrics.request_recorder import RequestRecorder


@dataclass(slots=True, eq=False)
class Submission:
    """The engine requests of one HTTP request. `alarm` rings if none of them starts in time."""

    requests: Sequence[GenerateRequest]
    stream: EventStream
    caller: str
    alarm: asyncio.TimerHandle | None = None


@dataclass(slots=True)
class Slot:
    """What an engine request holds: `choices` have not ended yet, `recorder` sees all of it.

    It may have to wait in the queue until it is `started`; from then on its engine calls `deliver`.
    `reader` finds what is in its answers beside text, if that is wanted.
    """

    request: GenerateRequest
    submission: Submission
    choices: int
    recorder: RequestRecorder
    demand: Demand
    deliver: Sink
    started: bool = False
    queued: bool = False
    reader: AnswerReader | None = None
