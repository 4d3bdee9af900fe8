"""Requests to an engine in this process, and their events, step by step."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from typing import Any

from ovapi.core import Delta, Event, Failed, Finished, GenerateRequest, Prompt, SamplingParams
from ovapi.engine.generation.pipeline import GenerationPipeline
from ovapi.errors import ApiError
from tests.support.driver import chat

_numbers = itertools.count()


def request(prompt: str | Prompt, echo: bool = False, **parameters: Any) -> GenerateRequest:
    """Greedy unless `temperature` says otherwise."""
    sampling = SamplingParams(**{"temperature": 0, **parameters})
    prompt = chat(prompt) if isinstance(prompt, str) else prompt
    return GenerateRequest(f"r-{next(_numbers)}", prompt, sampling, echo=echo)


class Result:
    """All the events of one request."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    @property
    def deltas(self) -> list[Delta]:
        return [event for event in self.events if isinstance(event, Delta)]

    @property
    def ids(self) -> list[int]:
        return [token for delta in self.deltas for token in delta.token_ids]

    @property
    def text(self) -> str:
        return "".join(delta.text for delta in self.deltas)

    @property
    def finished(self) -> Finished:
        assert isinstance(self.events[-1], Finished), self.events[-1]
        return self.events[-1]

    @property
    def error(self) -> ApiError:
        assert isinstance(self.events[-1], Failed), self.events[-1]
        return self.events[-1].error


class Stepper:
    """Drives an engine as the worker does."""

    def __init__(self, engine: GenerationPipeline) -> None:
        self.engine = engine
        self.results: dict[str, Result] = {}

    def submit(self, one: GenerateRequest, given: tuple[int, ...] = ()) -> Result:
        self.results[one.id] = result = Result()
        self.engine.submit(self.engine.input_processor.prepare(one, given))
        return result

    def step(self) -> None:
        for name, event in self.engine.step():
            self.results[name].events.append(event)

    def finish(self) -> None:
        while self.engine.busy:
            self.step()


def run(engine: GenerationPipeline, requests: Iterable[GenerateRequest]) -> list[Result]:
    """Submit all, and step until the engine has nothing to do."""
    stepper = Stepper(engine)
    results = [stepper.submit(one) for one in requests]
    stepper.finish()
    return results
