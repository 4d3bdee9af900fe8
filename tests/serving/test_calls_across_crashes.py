"""Calls whose engine is killed in the middle of their arguments: the client sees none of it."""

from __future__ import annotations

import json
import signal
from collections.abc import Sequence

import psutil
import pytest

from ovapi.config.settings import ModelConfig
from ovapi.core import (
    ChatPrompt,
    Delta,
    Event,
    Finished,
    GenerateRequest,
    Message,
    Parsing,
    SamplingParams,
)
from ovapi.language.events import OutputEvent, ParsedDelta, ToolCallDelta, ToolCallStart
from ovapi.serving.model import Model
from tests.support.driver import DEMO, Driver

PARAMETERS = {
    "type": "object",
    "properties": {"city": {"type": "string"}},
    "required": ["city"],
}
FUNCTION = {"name": "get_weather", "description": "Weather.", "parameters": PARAMETERS}
TOOLS = ({"type": "function", "function": FUNCTION},)
PROMPT = ChatPrompt((Message("user", "What is the weather in Paris and in Rome?"),), TOOLS)


async def answer(model: Model, name: str, kills: bool = False) -> list[Event]:
    """All events of an answer; the engine's process is killed in the middle of its first call."""
    request = GenerateRequest(name, PROMPT, SamplingParams(temperature=0), parsing=Parsing(TOOLS))
    stream = model.generate([request])
    events: list[Event] = []
    while not stream.ended:
        events += [event for _, event in await stream.drain(30)]
        if kills and any(isinstance(part, ToolCallDelta) for part in parts(events)):
            kills = False
            assert not stream.ended, "the engine was done before it could be killed"
            kill(model)
    events += [event for _, event in await stream.drain(30)]
    stream.close()
    assert not kills
    return events


def kill(model: Model) -> None:
    info = model.engine.state.info
    assert info is not None
    assert info.pid is not None
    psutil.Process(info.pid).send_signal(signal.SIGKILL)


def parts(events: Sequence[Event]) -> list[OutputEvent]:
    return [part for one in events if isinstance(one, ParsedDelta) for part in one.parts]


def calls(events: Sequence[Event]) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    for part in parts(events):
        if isinstance(part, ToolCallStart):
            assert part.index == len(found)
            found.append((part.name, ""))
        elif isinstance(part, ToolCallDelta):
            name, arguments = found[part.index]
            found[part.index] = name, arguments + part.arguments
    return found


def ids(events: Sequence[Event]) -> list[int]:
    return [id for event in events if isinstance(event, Delta) for id in event.token_ids]


@pytest.mark.parametrize("kind", ["batching", "paged"])
async def test_a_call_goes_on_where_a_killed_engine_left_it(kind: str) -> None:
    driver = await Driver.started(kind)
    model = Model(ModelConfig("demo", DEMO), driver.engine)
    driver.engine.on_state = lambda state: driver.states.append(state.status)
    try:
        whole = await answer(model, "whole")
        broken = await answer(model, "broken", kills=True)
    finally:
        await driver.close()
    assert "restarting" in driver.states
    assert calls(broken) == calls(whole)
    given = [json.loads(arguments) for _, arguments in calls(broken)]
    assert given == [{"city": "Paris"}, {"city": "Rome"}]
    assert ids(broken) == ids(whole)
    last = broken[-1]
    assert isinstance(last, Finished)
    assert last == whole[-1]
    assert last.reason == "tool_calls"
