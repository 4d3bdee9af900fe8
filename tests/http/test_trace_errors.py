"""Which generations are errors in a trace, on an engine whose every event is known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Status

from ovapi.config.settings import TracingConfig
from ovapi.core import Accepted, Delta, Event, Failed, Finished, Usage
from ovapi.engine.base import EngineState
from ovapi.errors import EngineFailed
from ovapi.http.telemetry.tracing import MAX_CHOICES, Tracing
from tests.support.api import Api
from tests.support.collector import Collector, attributes
from tests.support.fake_engine import script

CHAT = "/v1/chat/completions"
ERROR, UNSET = Status.StatusCode.STATUS_CODE_ERROR, Status.StatusCode.STATUS_CODE_UNSET
BROKEN = [Accepted(7), Delta("Hi", (1,)), Failed(EngineFailed("It broke."))]


async def trace(api: Api, sample: float = 1.0, **more: Any) -> Collector:
    """What a collector gets of one request."""
    with Collector() as collector:
        collector.start()
        tracing = api.app.tracing = Tracing(TracingConfig(collector.endpoint, sample))
        body = {"messages": [{"role": "user", "content": "Hello!"}], **more}
        async with api.client() as client:
            await client.post(CHAT, json=body, headers={"X-Request-ID": "it"})
        await tracing.close()
        collector.stop()
    return collector


@pytest.mark.parametrize(
    ("events", "stream", "status", "kind"),
    [
        (script("Why"), True, UNSET, None),
        (BROKEN, True, ERROR, "engine_failed"),
        (BROKEN, False, ERROR, "engine_failed"),
        (BROKEN[:1] + BROKEN[2:], True, ERROR, "engine_failed"),
    ],
)
async def test_what_is_an_error(
    api: Api, events: Sequence[Event], stream: bool, status: int, kind: str | None
) -> None:
    api.engine.scripts.append(events)
    span, _ = (await trace(api, stream=stream)).of_request("it")
    assert (span.status.code, attributes(span).get("error.type")) == (status, kind)


async def test_a_server_that_cannot_answer_is_an_error(api: Api) -> None:
    api.engine.state = EngineState("loading")
    span, below = (await trace(api)).of_request("it")
    assert (span.status.code, attributes(span)["error.type"]) == (ERROR, "model_loading")
    assert not below


async def test_the_phases_of_many_choices_are_bounded(api: Api) -> None:
    many = MAX_CHOICES + 2
    api.engine.scripts += [script("Why")] * many
    api.model.config = replace(api.model.config, max_running=many)
    span, below = (await trace(api, n=many)).of_request("it")
    assert len(below) == 3 * MAX_CHOICES
    found = attributes(span)
    assert found["gen_ai.usage.input_tokens"] == 7
    assert found["gen_ai.usage.output_tokens"] == many


async def test_an_answer_without_a_token_has_no_decode(api: Api) -> None:
    api.engine.scripts.append([Accepted(7), Finished("stop", Usage(7, 0))])
    _, below = (await trace(api)).of_request("it")
    assert [one.name for one in below] == ["queue", "prefill"]


async def test_nothing_is_sampled_where_the_share_is_none(api: Api) -> None:
    api.engine.scripts.append(script("Why"))
    assert not (await trace(api, sample=0.0)).spans
