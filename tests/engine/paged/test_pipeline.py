"""The engine on the built-in model: prefix cache, log-probabilities, faults, resumption."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import openvino
import pytest
from numpy.typing import NDArray

from ovapi.core import Finished, TextPrompt, TokenPrompt
from ovapi.engine.generation.pipeline import StepFailed
from ovapi.engine.paged.group import Span
from ovapi.engine.paged.pipeline import PagedPipeline
from ovapi.engine.paged.runner import Logits
from ovapi.errors import EngineFailed
from soak.client.prompts import GREETING, LONG, SURE, UNSURE
from tests.engine.paged.conftest import load
from tests.engine.paged.stepping import Stepper, request, run
from tests.support.driver import DEMO, TOKEN_BYTES

STORY = "Tell me a story about a dragon."
QUOTE = TextPrompt("The quick brown fox jumps over the lazy dog, twice. 1, 2, 3, 4, 5, 6, 7,")


def test_the_prefix_cache_tells_what_it_held(engine: PagedPipeline) -> None:
    prompt = TokenPrompt(tuple(range(3, 103)))
    first, second = (run(engine, [request(prompt, max_tokens=3)])[0] for _ in range(2))
    assert first.finished.usage.cached_tokens == 0
    assert second.finished.usage.cached_tokens == 96
    assert first.ids == second.ids


def test_equal_prompts_share_their_blocks(engine: PagedPipeline) -> None:
    prompt = TokenPrompt(tuple(range(4, 204)))
    stepper = Stepper(engine)
    results = [stepper.submit(request(prompt, max_tokens=99, ignore_eos=True)) for _ in range(8)]
    while not all(result.deltas for result in results):
        stepper.step()
    sequences = [group.sequences[0] for group in engine.scheduler.running]
    assert len({tuple(sequence.blocks[:6]) for sequence in sequences}) == 1
    assert engine.cache.used == 6 + sum(len(sequence.blocks) - 6 for sequence in sequences)
    stepper.finish()
    assert engine.cache.used == 0
    assert len({tuple(result.ids) for result in results}) == 1


def test_cancelling_frees_blocks_at_once(engine: PagedPipeline) -> None:
    stepper = Stepper(engine)
    one = request(LONG, max_tokens=500, ignore_eos=True)
    result = stepper.submit(one)
    while not result.deltas:
        stepper.step()
    assert engine.stats.running == 1
    engine.cancel(one.id)
    assert engine.cache.used == 0
    assert engine.busy  # the freed cache is reported
    stepper.finish()


# -- log-probabilities ----------------------------------------------------------------------------


F32 = {"INFERENCE_PRECISION_HINT": "f32", "KV_CACHE_PRECISION": "f32"}


@pytest.fixture(scope="module")
def exact_engine() -> PagedPipeline:
    return load(properties=F32)


@pytest.fixture(scope="module")
def plain() -> Any:
    """The model as it was exported, which computes the logits of all rows without a cache."""
    core = openvino.Core()
    return core.compile_model(DEMO / "openvino_model.xml", "CPU", F32).create_infer_request()


def plain_logprobs(plain: Any, ids: list[int]) -> NDArray[np.float64]:
    plain.reset_state()
    count = len(ids)
    plain.infer(
        {
            "input_ids": np.array([ids]),
            "attention_mask": np.ones((1, count), np.int64),
            "position_ids": np.arange(count)[None],
            "beam_idx": np.zeros(1, np.int32),
        }
    )
    logits = plain.get_output_tensor(0).data[0].astype(np.float64)
    return logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))


@pytest.mark.parametrize("temperature", [0, 1.3])
def test_logprobs_are_those_of_plain_inference(
    exact_engine: PagedPipeline, plain: Any, temperature: float
) -> None:
    prompt = exact_engine.input_processor.encode(QUOTE)
    for _ in range(2):  # the second time the prompt is in the prefix cache
        one = request(
            QUOTE,
            echo=True,
            logprobs=True,
            top_logprobs=5,
            max_tokens=12,
            temperature=temperature,
            seed=1,
            repetition_penalty=1.1,
            ignore_eos=True,
        )
        (result,) = run(exact_engine, [one])
        expected = plain_logprobs(plain, [*prompt, *result.ids])
        shown = [entry for delta in result.deltas for entry in delta.logprobs]
        assert len(shown) == len(prompt) + 12
        assert shown[0].logprob is None
        for at, token in enumerate([*prompt, *result.ids][1:], 1):
            row = expected[at - 1]
            assert shown[at].logprob == pytest.approx(row[token], abs=1e-3)
            tops = [top.logprob for top in shown[at].top]
            assert tops == pytest.approx(np.sort(row)[::-1][:5].tolist(), abs=1e-3)


def test_only_the_prompts_logprobs(exact_engine: PagedPipeline, plain: Any) -> None:
    """As evaluations ask for them: no token is generated; long prompts come in chunks."""
    ids = np.random.default_rng(1).integers(3, 768, 500).tolist()
    one = request(TokenPrompt(tuple(ids)), echo=True, logprobs=True, max_tokens=0)
    (result,) = run(exact_engine, [one])
    assert result.finished.usage.completion_tokens == 0
    expected = plain_logprobs(plain, ids)
    shown = [entry.logprob for entry in result.deltas[0].logprobs]
    exact = [float(expected[at - 1][token]) for at, token in enumerate(ids)][1:]
    assert shown[1:] == pytest.approx(exact, abs=1e-3)


def test_logprobs_stay_those_of_the_model_whatever_is_changed_before_the_choice(
    engine: PagedPipeline,
) -> None:
    plain_result, biased = run(
        engine,
        [
            request("Hello!", logprobs=True, top_logprobs=2, max_tokens=1),
            request("Hello!", logprobs=True, max_tokens=1, logit_bias=((300, 100.0),)),
        ],
    )
    assert biased.ids == [300]
    best = plain_result.deltas[0].logprobs[0]
    assert best.top[0].logprob == best.logprob
    (chosen,) = biased.deltas[0].logprobs
    assert chosen.logprob is not None
    assert best.logprob is not None
    assert chosen.logprob < best.logprob


# -- bias -----------------------------------------------------------------------------------------


def test_a_bias_forbids_tokens(engine: PagedPipeline) -> None:
    (plain_result,) = run(engine, [request(GREETING)])
    first = plain_result.ids[0]
    (without,) = run(engine, [request(GREETING, logit_bias=((first, -100.0),))])
    assert first not in without.ids


def test_min_tokens_forbids_stop_tokens_and_not_only_hides_them(engine: PagedPipeline) -> None:
    (short,) = run(engine, [request(GREETING)])
    (longer,) = run(engine, [request(GREETING, min_tokens=len(short.ids) + 5)])
    assert 2 not in longer.ids[: len(short.ids) + 5]


# -- faults ---------------------------------------------------------------------------------------


class Faulty:
    """A runner whose passes by number raise, or give no numbers in the first row."""

    def __init__(self, engine: PagedPipeline) -> None:
        self._runner = engine._runner
        self.passes = 0
        self.raises: set[int] = set()
        self.breaks: set[int] = set()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._runner, name)

    def run(self, spans: Sequence[Span]) -> Logits:
        self.passes += 1
        if self.passes in self.raises:
            raise RuntimeError("injected")
        logits = self._runner.run(spans)
        if self.passes in self.breaks:
            logits = logits.copy()
            logits[0, 5] = np.nan
        return logits


@pytest.fixture
def faulty(engine: PagedPipeline, monkeypatch: pytest.MonkeyPatch) -> Faulty:
    runner = Faulty(engine)
    monkeypatch.setattr(engine, "_runner", runner)
    return runner


def test_a_failed_step_is_computed_again(engine: PagedPipeline, faulty: Faulty) -> None:
    undisturbed = run(engine, [request(prompt) for prompt in SURE])
    faulty.raises = {faulty.passes + number for number in (1, 5, 20)}
    again = run(engine, [request(prompt) for prompt in SURE])
    assert faulty.passes > max(faulty.raises)
    assert [result.ids for result in again] == [result.ids for result in undisturbed]
    assert engine.cache.used == 0


def test_a_step_that_keeps_failing_loses_its_requests(
    engine: PagedPipeline, faulty: Faulty
) -> None:
    stepper = Stepper(engine)
    requests = [request(prompt) for prompt in SURE]
    for one in requests:
        stepper.submit(one)
    faulty.raises = {faulty.passes + 4, faulty.passes + 5}
    with pytest.raises(StepFailed) as caught:
        stepper.finish()
    assert caught.value.ids == {one.id for one in requests}
    assert engine.cache.used == 0
    assert run(engine, [request(GREETING)])[0].text == "Hello! How can I help you?"


def test_logits_that_are_no_numbers_fail_their_request_only(
    engine: PagedPipeline, faulty: Faulty
) -> None:
    (alone,) = run(engine, [request(LONG)])
    faulty.breaks = {faulty.passes + 6}
    broken, other = run(engine, [request(STORY), request(LONG)])
    assert isinstance(broken.error, EngineFailed)
    assert "not a number" in str(broken.error)
    assert other.ids == alone.ids
    assert engine.cache.used == 0


# -- constraints ----------------------------------------------------------------------------------


class Alternating:
    """Allows two tokens in turn, and stops allowing any after so many."""

    def __init__(self, last: int) -> None:
        self.accepted: list[int] = []
        self._last = last

    def allowed(self) -> NDArray[np.bool_]:
        mask = np.zeros(768, np.bool_)
        if len(self.accepted) < self._last:
            mask[300 + len(self.accepted) % 2] = True
        return mask

    def accept(self, token: int) -> None:
        self.accepted.append(token)


def test_a_mask_decides_which_tokens_may_come(engine: PagedPipeline) -> None:
    stepper = Stepper(engine)
    masked = request(UNSURE, max_tokens=6, temperature=1.0, seed=3)
    result, other = stepper.submit(masked), stepper.submit(request(GREETING))
    engine._generations[masked.id].sampler.constraint = Alternating(6)
    stepper.finish()
    assert result.ids == [300, 301] * 3
    assert other.text == "Hello! How can I help you?"


def test_a_mask_that_allows_nothing_fails_its_request(engine: PagedPipeline) -> None:
    stepper = Stepper(engine)
    masked = request(UNSURE, max_tokens=6)
    result, other = stepper.submit(masked), stepper.submit(request(GREETING))
    engine._generations[masked.id].sampler.constraint = Alternating(2)
    stepper.finish()
    assert result.ids == [300, 301]
    assert "No token" in str(result.error)
    assert isinstance(other.events[-1], Finished)


def test_an_error_in_a_constraint_fails_its_request(engine: PagedPipeline) -> None:
    stepper = Stepper(engine)
    masked = request(UNSURE, max_tokens=6)
    result, other = stepper.submit(masked), stepper.submit(request(GREETING))
    engine._generations[masked.id].sampler.constraint = object()  # type: ignore[assignment]
    stepper.finish()
    assert isinstance(result.error, EngineFailed)
    assert isinstance(other.events[-1], Finished)


# -- resumption -----------------------------------------------------------------------------------

SAMPLED = {
    "temperature": 1.2,
    "top_p": 0.9,
    "repetition_penalty": 1.2,
    "frequency_penalty": 0.3,
    "max_tokens": 60,
    "min_tokens": 30,
}


@pytest.mark.parametrize("cut", [1, 17, 31, 32, 33, 59])
def test_a_sampled_answer_resumes_as_it_would_have_gone_on(
    exact_engine: PagedPipeline, cut: int
) -> None:
    for seed in range(4):
        whole = request(UNSURE, seed=seed, **SAMPLED)
        (expected,) = run(exact_engine, [whole])
        cut_here = min(cut, len(expected.ids) - 1)
        stepper = Stepper(exact_engine)
        resumed = stepper.submit(replace(whole, id="again"), tuple(expected.ids[:cut_here]))
        stepper.finish()
        assert expected.ids[:cut_here] + resumed.ids == expected.ids
        usage = resumed.finished.usage
        assert usage.completion_tokens == expected.finished.usage.completion_tokens


def test_a_sampled_answer_is_the_same_beside_others(exact_engine: PagedPipeline) -> None:
    alone = [run(exact_engine, [request(UNSURE, seed=seed, **SAMPLED)])[0] for seed in range(6)]
    together = run(exact_engine, [request(UNSURE, seed=seed, **SAMPLED) for seed in range(6)])
    assert [result.ids for result in together] == [result.ids for result in alone]
    assert len({tuple(result.ids) for result in alone}) == 6


def test_preempted_requests_lose_nothing() -> None:
    """A cache of a tenth of what they need together."""
    small = load(cache_bytes=16 * 32 * TOKEN_BYTES, properties=F32)
    large = load(properties=F32)
    requests = [
        request(prompt, seed=seed, **{**SAMPLED, "max_tokens": 200, "min_tokens": 150})
        for seed in range(5)
        for prompt in SURE
    ]
    expected = run(large, requests)
    preempted = run(small, requests)
    assert small.scheduler.preemptions > 10
    assert [result.ids for result in preempted] == [result.ids for result in expected]
    assert small.cache.used == 0
