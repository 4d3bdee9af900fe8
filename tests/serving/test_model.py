from dataclasses import replace
from pathlib import Path

import pytest

from ovapi.config.settings import ModelConfig
from ovapi.core import (
    Accepted,
    BeamSearch,
    Delta,
    Failed,
    Finished,
    GenerateRequest,
    SamplingParams,
    Sink,
    TextPrompt,
    Usage,
)  # fmt: skip
from ovapi.engine.base import EngineInfo, EngineState, EngineStats, unavailable
from ovapi.errors import (
    EngineFailed,
    InvalidRequest,
    ModelFailed,
    ModelLoading,
    ModelNotFound,
    QueueFull,
    QueueTimeout,
)
from ovapi.serving.model import Model
from ovapi.serving.registry import ModelRegistry

USAGE = Usage(1, 1)


class SilentEngine:
    """Keeps the sinks, so that a test plays the engine."""

    kind = "silent"

    def __init__(self) -> None:
        self.state = EngineState("ready")
        self.stats = EngineStats()
        self.sinks: dict[str, Sink] = {}
        self.cancelled: list[str] = []
        self.on_state = lambda state: None

    def start(self) -> None: ...

    def submit(self, request: GenerateRequest, sink: Sink) -> None:
        if self.state.status != "ready":
            sink(Failed(unavailable("m", self.state)))
            return
        self.sinks[request.id] = sink

    def cancel(self, request_id: str) -> None:
        self.cancelled.append(request_id)

    async def tokenize(self, *_: object, **__: object) -> tuple[int, ...]:
        return ()

    async def detokenize(self, *_: object, **__: object) -> str:
        return ""

    async def close(self) -> None: ...


@pytest.fixture
def engine() -> SilentEngine:
    return SilentEngine()


@pytest.fixture
def model(engine: SilentEngine) -> Model:
    config = ModelConfig("m", Path("m"), max_running=2, max_queued=1, aliases=("alias",))
    return Model(config, engine)


@pytest.fixture
def busy(engine: SilentEngine) -> Model:
    """A model whose engine runs as much as it can: `r0` and `r1`, of its own caller each."""
    model = Model(ModelConfig("m", Path("m"), max_running=2, max_queued=98), engine)
    for number in range(2):
        model.generate([request(f"r{number}")], f"caller {number}")
    return model


def request(name: str, sampling: SamplingParams | None = None) -> GenerateRequest:
    return GenerateRequest(name, TextPrompt("x"), sampling or SamplingParams())


def test_a_request_holds_its_slot_until_its_last_event(model: Model, engine: SilentEngine) -> None:
    model.generate([request("a"), request("b")])
    engine.sinks["a"](Accepted(1))
    engine.sinks["a"](Delta("x"))
    assert model.in_flight == 2
    engine.sinks["a"](Finished("stop", USAGE))
    assert model.in_flight == 1
    engine.sinks["b"](Failed(EngineFailed("gone")))
    assert model.in_flight == 0


def test_a_beam_search_holds_one_slot_for_all_its_choices(
    model: Model, engine: SilentEngine
) -> None:
    beams = BeamSearch(width=4, results=2)
    stream = model.generate([request("a", replace(SamplingParams(), beams=beams))])
    engine.sinks["a"](Finished("stop", USAGE, index=0))
    assert (model.in_flight, stream.ended) == (1, False)
    engine.sinks["a"](Finished("stop", USAGE, index=1))
    assert (model.in_flight, stream.ended) == (0, True)


def test_no_slot_no_submission(model: Model, engine: SilentEngine) -> None:
    model.generate([request("a"), request("b")])
    with pytest.raises(QueueFull) as caught:
        model.generate([request("c"), request("d")])
    assert caught.value.retry_after
    assert set(engine.sinks) == {"a", "b"}


def test_what_can_never_get_its_slots_is_the_clients_fault(model: Model) -> None:
    with pytest.raises(InvalidRequest, match="at most 3") as caught:
        model.generate([request(name) for name in "abcd"])
    assert caught.value.param == "n"


def test_closing_a_stream_cancels_what_is_open_and_frees_the_slots(
    model: Model, engine: SilentEngine
) -> None:
    stream = model.generate([request("a"), request("b")])
    engine.sinks["a"](Finished("stop", USAGE))
    stream.close()
    assert engine.cancelled == ["b"]
    assert model.in_flight == 0


def test_a_failure_of_one_choice_cancels_the_others(model: Model, engine: SilentEngine) -> None:
    model.generate([request("a"), request("b")])
    engine.sinks["a"](Failed(EngineFailed("gone")))
    assert engine.cancelled == ["b"]
    assert model.in_flight == 0


def test_an_engine_that_fails_the_first_choice_at_once_never_gets_the_others(
    model: Model, engine: SilentEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    submitted: list[str] = []

    def fail(request: GenerateRequest, sink: Sink) -> None:
        submitted.append(request.id)
        sink(Failed(EngineFailed("no")))

    monkeypatch.setattr(engine, "submit", fail)
    stream = model.generate([request("a"), request("b")])
    assert (submitted, model.in_flight, model.started) == (["a"], 0, 0)
    assert stream.ended


@pytest.mark.parametrize(
    ("state", "error", "text"),
    [
        (EngineState("loading"), ModelLoading, "still loading"),
        (EngineState("failed", "no weights"), ModelFailed, "no weights"),
        (EngineState("stopped"), ModelFailed, "not available"),
    ],
)
def test_a_model_that_is_not_ready_says_why(
    model: Model, engine: SilentEngine, state: EngineState, error: type[Exception], text: str
) -> None:
    engine.state = state
    with pytest.raises(error, match=text):
        model.generate([request("a")])
    assert engine.sinks == {}


def end(engine: SilentEngine, name: str) -> None:
    engine.sinks[name](Finished("stop", USAGE))


async def test_what_the_engine_cannot_run_waits_and_callers_take_turns(
    busy: Model, engine: SilentEngine
) -> None:
    for number in range(50):
        busy.generate([request(f"many{number}")], "many")
    busy.generate([request("one")], "one")
    assert len(engine.sinks) == busy.started == 2
    assert busy.stats.waiting == 51
    for name in ("r0", "r1", "many0"):
        end(engine, name)
    assert list(engine.sinks)[-3:] == ["many0", "one", "many1"]
    assert busy.stats.waiting == 48


async def test_who_leaves_the_line_was_never_there_for_the_engine(
    busy: Model, engine: SilentEngine
) -> None:
    stream = busy.generate([request("a"), request("b")])
    busy.generate([request("c")])
    stream.close()
    assert engine.cancelled == []
    end(engine, "r0")
    assert list(engine.sinks)[-1] == "c"
    assert (busy.in_flight, busy.stats.waiting) == (2, 0)


async def test_leaving_the_engine_lets_the_next_one_in(busy: Model, engine: SilentEngine) -> None:
    stream = busy.generate([request("a")])
    busy.generate([request("b")])
    end(engine, "r0")
    stream.close()
    assert engine.cancelled == ["a"]
    assert list(engine.sinks)[-2:] == ["a", "b"]


async def test_waiting_too_long_is_a_503(busy: Model, engine: SilentEngine) -> None:
    busy.config = replace(busy.config, queue_seconds=0.01)
    stream = busy.generate([request("a"), request("b")])
    ((choice, event),) = await stream.drain(1)
    assert (choice, stream.ended) == (0, True)
    assert isinstance(event, Failed)
    assert isinstance(event.error, QueueTimeout)
    assert event.error.retry_after
    assert (busy.in_flight, busy.stats.waiting) == (2, 0)


async def test_what_has_started_does_not_time_out(busy: Model, engine: SilentEngine) -> None:
    busy.config = replace(busy.config, queue_seconds=0.01)
    stream = busy.generate([request("a"), request("b")])
    end(engine, "r0")
    assert "a" in engine.sinks
    assert await stream.drain(0.05) == []
    assert not stream.ended
    assert busy.stats.waiting == 1


async def test_a_failed_engine_fails_what_waits(busy: Model, engine: SilentEngine) -> None:
    stream = busy.generate([request("a")])
    engine.state = EngineState("failed", "no weights")
    engine.sinks["r0"](Failed(EngineFailed("gone")))
    ((_, event),) = await stream.drain(1)
    assert isinstance(event, Failed)
    assert isinstance(event.error, ModelFailed)


async def test_an_engine_that_runs_one_at_a_time_gets_little_more(engine: SilentEngine) -> None:
    info = EngineInfo(4096, None, None, 512, "CPU", at_once=1)
    engine.state = EngineState("ready", info=info)
    model = Model(ModelConfig("m", Path("m")), engine)
    for name in "abcdefgh":
        model.generate([request(name)])
    assert len(engine.sinks) == 1


async def test_tokens_in_flight(engine: SilentEngine) -> None:
    config = ModelConfig("m", Path("m"), max_tokens_in_flight=100)
    model = Model(config, engine)
    sampling = replace(SamplingParams(), max_tokens=40)
    for name in "abc":
        model.generate([request(name, sampling)])
    assert list(engine.sinks) == ["a", "b"]
    engine.sinks["a"](Accepted(50))  # it was taken for less
    end(engine, "b")
    assert list(engine.sinks) == ["a", "b"]
    end(engine, "a")
    assert list(engine.sinks) == ["a", "b", "c"]


def test_models_are_found_by_name_alias_and_default(model: Model) -> None:
    registry = ModelRegistry([model], default="m")
    assert registry.get("m") is registry.get("alias") is registry.get(None) is model
    with pytest.raises(ModelNotFound):
        registry.get("other")
    with pytest.raises(ModelNotFound):
        ModelRegistry([]).get(None)
