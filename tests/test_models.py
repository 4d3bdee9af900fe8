from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from ovapi.config import ModelConfig
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
from ovapi.engine.base import EngineState, EngineStats
from ovapi.errors import (
    EngineFailed,
    InvalidRequest,
    ModelFailed,
    ModelLoading,
    ModelNotFound,
    RateLimited,
)
from ovapi.models import Model, ModelRegistry

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
        self.sinks[request.id] = sink

    def cancel(self, request_id: str) -> None:
        self.cancelled.append(request_id)

    async def tokenize(self, prompt: object, add_special_tokens: bool = True) -> tuple[int, ...]:
        return ()

    async def detokenize(self, ids: Sequence[int]) -> str:
        return ""

    async def close(self) -> None: ...


@pytest.fixture
def engine() -> SilentEngine:
    return SilentEngine()


@pytest.fixture
def model(engine: SilentEngine) -> Model:
    config = ModelConfig("m", Path("m"), max_running=2, max_queued=1, aliases=("alias",))
    return Model(config, engine)


def request(name: str, sampling: SamplingParams | None = None) -> GenerateRequest:
    return GenerateRequest(name, TextPrompt("x"), sampling or SamplingParams())


def test_a_request_holds_its_slot_until_its_last_event(model: Model, engine: SilentEngine) -> None:
    model.generate([request("a"), request("b")])
    engine.sinks["a"](Accepted(1))
    engine.sinks["a"](Delta("x"))
    assert model.in_hand == 2
    engine.sinks["a"](Finished("stop", USAGE))
    assert model.in_hand == 1
    engine.sinks["b"](Failed(EngineFailed("gone")))
    assert model.in_hand == 0


def test_a_beam_search_holds_one_slot_for_all_its_choices(
    model: Model, engine: SilentEngine
) -> None:
    beams = BeamSearch(width=4, results=2)
    stream = model.generate([request("a", replace(SamplingParams(), beams=beams))])
    engine.sinks["a"](Finished("stop", USAGE, index=0))
    assert (model.in_hand, stream.ended) == (1, False)
    engine.sinks["a"](Finished("stop", USAGE, index=1))
    assert (model.in_hand, stream.ended) == (0, True)


def test_no_slot_no_submission(model: Model, engine: SilentEngine) -> None:
    model.generate([request("a"), request("b")])
    with pytest.raises(RateLimited) as caught:
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
    assert model.in_hand == 0


def test_a_failure_of_one_choice_cancels_the_others(model: Model, engine: SilentEngine) -> None:
    model.generate([request("a"), request("b")])
    engine.sinks["a"](Failed(EngineFailed("gone")))
    assert engine.cancelled == ["b"]
    assert model.in_hand == 0


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


def test_models_are_found_by_name_alias_and_default(model: Model) -> None:
    registry = ModelRegistry([model], default="m")
    assert registry.get("m") is registry.get("alias") is registry.get(None) is model
    with pytest.raises(ModelNotFound):
        registry.get("other")
    with pytest.raises(ModelNotFound):
        ModelRegistry([]).get(None)
