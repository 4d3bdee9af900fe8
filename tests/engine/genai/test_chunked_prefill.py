"""Long prompts beside running streams: they enter in pieces, and change no answer."""

from __future__ import annotations

from random import Random

import pytest

from ovapi.config.engine_options import SpeculationConfig
from ovapi.core import (
    ChatPrompt,
    Delta,
    Finished,
    GenerateRequest,
    Message,
    Prompt,
    SamplingParams,
    TextPrompt,
    TokenPrompt,
)
from ovapi.engine.base import EngineSpec
from ovapi.engine.genai.batching import BatchingPipeline
from ovapi.engine.genai.chunked_prefill import Prefill
from ovapi.engine.genai.loader import load_batching
from ovapi.engine.genai.prefill_throttle import PrefillThrottle
from ovapi.engine.generation.pipeline import RequestEvent
from ovapi.engine.text.input_processor import PreparedRequest
from tests.support.driver import DEMO

COUNT = ChatPrompt((Message("user", "Count to 300."),))
HISTORY = Message("user", " ".join(f"The number {number} is a number." for number in range(250)))


class EverySecond(PrefillThrottle):
    """Pieces of a prompt take turns with single steps without one, whatever time they take."""

    def __init__(self) -> None:
        super().__init__(1.0)
        self.ready_now = False

    @property
    def ready(self) -> bool:
        return self.ready_now

    def decoded(self, seconds: float) -> None:
        self.ready_now = True

    def begin(self) -> None:
        self.ready_now = False

    def is_cheap(self, seconds: float) -> bool:
        return False


def load(**spec: object) -> BatchingPipeline:
    made, _ = load_batching(EngineSpec("demo", DEMO, **spec))  # type: ignore[arg-type]
    made._prefill.throttle = EverySecond()
    return made


def submit(
    pipeline: BatchingPipeline, name: str, prompt: Prompt, tokens: int, **sampling: object
) -> None:
    params = SamplingParams(max_tokens=tokens, temperature=0, **sampling)  # type: ignore[arg-type]
    pipeline.submit(pipeline.input_processor.prepare(GenerateRequest(name, prompt, params)))


def finish(pipeline: BatchingPipeline) -> dict[str, str]:
    """Run to the end; the texts."""
    texts: dict[str, str] = {}
    while pipeline.busy:
        take(pipeline.step(), texts)
    return texts


def take(events: list[RequestEvent], texts: dict[str, str]) -> None:
    for name, event in events:
        if isinstance(event, Delta):
            texts[name] = texts.get(name, "") + event.text


def steps_to_first(pipeline: BatchingPipeline, name: str) -> int:
    steps = 0
    while True:
        steps += 1
        if any(got == name and isinstance(event, Delta) for got, event in pipeline.step()):
            return steps


def running(pipeline: BatchingPipeline) -> None:
    submit(pipeline, "runs", COUNT, 400, ignore_eos=True)
    steps_to_first(pipeline, "runs")


def test_a_second_turn_finds_the_first_in_the_cache() -> None:
    made = load()
    submit(made, "first", ChatPrompt((HISTORY,)), 8)
    first = steps_to_first(made, "first")
    finish(made)
    turns = (HISTORY, Message("assistant", "Yes."), Message("user", "And now?"))
    submit(made, "second", ChatPrompt(turns), 8)
    assert len(made.input_processor.encode(ChatPrompt((HISTORY,)))) > 2000
    assert (first, steps_to_first(made, "second")) == (first, 1)
    assert first > 7


@pytest.mark.parametrize("speculation", [None, SpeculationConfig()], ids=["plain", "lookup"])
def test_the_answer_to_a_long_prompt_is_the_same(speculation: SpeculationConfig | None) -> None:
    question = Message("user", f"Repeat: {'the old bridge and the red house ' * 40}")
    alone = load(speculation=speculation)
    submit(alone, "long", ChatPrompt((question,)), 40)
    expected = finish(alone)["long"]
    made = load(max_batched_tokens=64, speculation=speculation)
    running(made)
    submit(made, "long", ChatPrompt((question,)), 40)
    submit(made, "short", ChatPrompt((Message("user", "Hello!"),)), 40)
    texts = finish(made)
    assert texts["long"] == expected
    assert texts["short"]
    assert texts["runs"]


def test_what_the_cache_has_enters_in_fewer_pieces() -> None:
    prefill = Prefill(PreparedRequest(None, list(range(10_000)), 1, ""), 256)  # type: ignore[arg-type]
    ends = []
    for cheap in (True, True, False, False):
        prefill.next_piece(8)
        prefill.entered(cheap)
        ends.append(prefill.done)
    assert ends == [224, 224 * 5, 224 * 21, 224 * 22]


def test_running_streams_get_steps_of_their_own_while_a_long_prompt_enters() -> None:
    made = load(max_batched_tokens=64)
    running(made)
    tokens = 1000
    prompt = TokenPrompt(tuple(Random(1).randrange(700) for _ in range(tokens)))
    submit(made, "long", prompt, 1)
    pieces = tokens // 32  # one of two blocks is left to the stream that runs
    assert pieces * 2 <= steps_to_first(made, "long") <= pieces * 2 + 2


def test_short_prompts_overtake_and_long_ones_keep_their_order() -> None:
    made = load(max_batched_tokens=64)
    running(made)
    for seed, name in enumerate(("one", "two")):
        ids = tuple(Random(seed).randrange(700) for _ in range(600))
        submit(made, name, TokenPrompt(ids), 1)
    submit(made, "short", TextPrompt("1, 2, 3,"), 1)
    order: list[str] = []
    while len(order) < 3:
        order += [name for name, event in made.step() if isinstance(event, Finished)]
    assert order == ["short", "one", "two"]


def test_a_prompt_that_enters_can_be_cancelled() -> None:
    made = load(max_batched_tokens=64)
    running(made)
    submit(made, "long", TokenPrompt(tuple(Random(1).randrange(700) for _ in range(1000))), 1)
    for _ in range(5):
        made.step()
    assert made.stats.running == 2
    made.cancel("long")
    assert made.stats.running == 1
    made.cancel("runs")
    assert finish(made) == {}
    assert not made.busy


def test_it_enters_at_once_when_the_others_have_ended() -> None:
    made = load(max_batched_tokens=64)
    running(made)
    submit(made, "long", TokenPrompt(tuple(Random(1).randrange(700) for _ in range(1000))), 4)
    for _ in range(5):
        made.step()
    made.cancel("runs")
    assert finish(made).keys() == {"long"}


def test_the_pace_keeps_an_average() -> None:
    throttle = PrefillThrottle(2.5)
    assert not throttle.ready  # how long a step takes is not known yet
    throttle.decoded(1.0)
    assert throttle.ready
    throttle.begin()
    throttle.prefilled(7.0)
    assert not throttle.is_cheap(7.0)
    assert not throttle.ready  # 7.0 in one step
    throttle.decoded(1.0)
    throttle.decoded(1.0)
    assert not throttle.ready  # 9.0 in three
    throttle.decoded(1.0)
    assert throttle.ready  # 10.0 in four
    assert throttle.is_cheap(1.2)


def test_one_slow_step_does_not_change_the_pace() -> None:
    throttle = PrefillThrottle(2.5)
    for seconds in (9.0, 1.0, 1.0):
        throttle.decoded(seconds)
    assert not throttle.is_cheap(2.0)
