"""Trial: what a model does per second with given properties. See `trial_process` for its caller."""

from __future__ import annotations

import itertools
import random
import statistics
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ovapi.core import (
    Accepted,
    ChatPrompt,
    Delta,
    GenerateRequest,
    Message,
    Prompt,
    SamplingParams,
    TextPrompt,
    TokenPrompt,
)
from ovapi.engine.base import EngineInfo, EngineSpec
from ovapi.engine.genai.batching import BatchingPipeline
from ovapi.engine.genai.device import settable_properties
from ovapi.engine.load_error import describe
from ovapi.engine.model_files import ModelFiles

STREAMS = 8
_PROMPT = 512
_ANSWER = 24
_SLICES = 3
_QUESTIONS = (
    "Count from 1 to 30.",
    "Repeat: the red house stands near the old bridge and the green garden.",
    "Write a short story about a dragon and a farmer.",
    "What is the capital of France, and what is it known for?",
)

ReferenceAnswer = tuple[tuple[int, ...], tuple[int, ...]]
"""The token ids of a prompt, and of the greedy answer to it."""


@dataclass(frozen=True, slots=True)
class Trial:
    """`seconds` is the time for each figure; `answers` are those to agree with."""

    spec: EngineSpec
    seconds: float
    answers: tuple[ReferenceAnswer, ...] = ()


@dataclass(frozen=True, slots=True)
class Figures:
    """Tokens per second: of a prompt, of one stream, of eight together, and of one stream while
    long prompts enter beside it. More is better for all of them."""

    prompt: float
    alone: float
    together: float
    during: float


@dataclass(frozen=True, slots=True)
class TrialResult:
    """`agreement` is the share of tokens that are as in the trial's `answers`.

    `error` says why there are no figures. `defaults` are the properties that can be set on the
    device, with their values; `capabilities` the precisions that it computes in.
    """

    figures: Figures | None = None
    answers: tuple[ReferenceAnswer, ...] = ()
    agreement: float = 1.0
    error: str = ""
    defaults: Mapping[str, Any] | None = None
    capabilities: tuple[str, ...] = ()


class _Measure:
    """Runs requests on a pipeline; every prompt is new to its prefix cache."""

    def __init__(self, pipeline: BatchingPipeline, info: EngineInfo, seconds: float) -> None:
        self._pipeline = pipeline
        self._seconds = seconds
        self._context = min(info.context, info.cache_tokens or info.context)
        self._length = min(_PROMPT, self._context // 2)
        self._vocabulary = info.vocabulary
        self._random = random.Random(1)
        self._numbers = itertools.count()

    def figures(self) -> Figures:
        self._stream_to_end([self._submit(self._prompt(), 2)])  # warms up
        return Figures(self.prompt(), self.decode(1), self.decode(STREAMS), self.during())

    def prompt(self) -> float:
        """Prompt tokens per second until the first token, median."""
        rates: list[float] = []
        end = time.perf_counter() + self._seconds
        while len(rates) < _SLICES or time.perf_counter() < end:
            start = time.perf_counter()
            self._stream_to_end([self._submit(self._prompt(), 1)])
            rates.append(self._length / (time.perf_counter() - start))
        return statistics.median(rates)

    def decode(self, streams: int) -> float:
        """Tokens per second of short prompts' answers together, median of slices of time."""
        ids = [self._submit(self._prompt(16), self._room(16)) for _ in range(streams)]
        started: set[str] = set()
        while len(started) < streams:
            started.update(self._step())
        rates = [self._rate(ids) for _ in range(_SLICES)]
        self._cancel(ids)
        return statistics.median(rates)

    def _rate(self, ids: Sequence[str]) -> float:
        """Tokens that `ids` get per second, over a slice of the time."""
        start, tokens = time.perf_counter(), 0
        while (passed := time.perf_counter() - start) < self._seconds / _SLICES or not tokens:
            got = self._step()
            tokens += sum(got.get(name, 0) for name in ids)
            if not self._pipeline.busy:
                break  # at the end of the context
        return tokens / max(passed, 1e-9)

    def during(self) -> float:
        """Tokens per second of a stream beside which one long prompt after another enters."""
        stream = self._submit(self._prompt(16), self._room(16))
        while stream not in self._step():
            pass
        entering, tokens, start = "", 0, time.perf_counter()
        while (passed := time.perf_counter() - start) < self._seconds or not tokens:
            if not entering:
                entering = self._submit(self._prompt(), 1)
            got = self._step()
            tokens += got.get(stream, 0)
            if entering in got:
                entering = ""
        self._cancel([stream, entering])
        return tokens / passed

    def answers(self, prompts: Iterable[Prompt]) -> tuple[ReferenceAnswer, ...]:
        """Greedy answers to the prompts, as token ids."""
        found = []
        for prompt in prompts:
            ids = tuple(self._pipeline.input_processor.encode(prompt))
            found.append((ids, self._greedy([ids], _ANSWER)[0]))
        return tuple(found)

    def agreement(self, answers: Sequence[ReferenceAnswer]) -> float:
        """The share of the answers' tokens that are the likeliest here too, each after the others.

        One token that differs does not make all those after it differ.
        """
        places = [(ids + answer[:at], answer[at]) for ids, answer in answers
                  for at in range(len(answer))]  # fmt: skip
        # the longest first, so that the others find theirs in the prefix cache
        self._greedy([ids + answer for ids, answer in answers], 1)
        got = self._greedy([ids for ids, _ in places], 1)
        same = [mine == (theirs,) for mine, (_, theirs) in zip(got, places, strict=True)]
        return sum(same) / max(1, len(same))

    def _greedy(self, prompts: Sequence[tuple[int, ...]], tokens: int) -> list[tuple[int, ...]]:
        names = [self._submit(ids, tokens, ignore_eos=tokens == 1) for ids in prompts]
        got = self._stream_to_end(names)
        return [tuple(got[name]) for name in names]

    def _prompt(self, length: int | None = None) -> tuple[int, ...]:
        count = self._length if length is None else min(length, self._length)
        return tuple(self._random.randrange(self._vocabulary) for _ in range(count))

    def _room(self, prompt: int) -> int:
        return self._context - prompt

    def _submit(self, ids: tuple[int, ...], tokens: int, ignore_eos: bool = True) -> str:
        name = str(next(self._numbers))
        sampling = SamplingParams(max_tokens=tokens, temperature=0, ignore_eos=ignore_eos)
        request = GenerateRequest(name, TokenPrompt(ids), sampling)
        self._pipeline.submit(self._pipeline.input_processor.prepare(request))
        return name

    def _step(self) -> dict[str, int]:
        """The number of tokens that each request got."""
        got: dict[str, int] = {}
        for name, ids in self._deltas():
            got[name] = got.get(name, 0) + len(ids)
        return got

    def _deltas(self) -> Iterator[tuple[str, tuple[int, ...]]]:
        for name, event in self._pipeline.step():
            if isinstance(event, Delta):
                yield name, event.token_ids
            elif isinstance(event, Accepted) or not hasattr(event, "error"):
                continue
            else:
                raise event.error

    def _stream_to_end(self, names: Sequence[str]) -> dict[str, list[int]]:
        got: dict[str, list[int]] = {name: [] for name in names}
        while self._pipeline.busy:
            for name, ids in self._deltas():
                got[name] += ids
        return got

    def _cancel(self, names: Iterable[str]) -> None:
        for name in names:
            self._pipeline.cancel(name)
        while self._pipeline.busy:
            self._pipeline.step()


def run(trial: Trial) -> TrialResult:
    """Load and measure; an engine that cannot is a result too."""
    from ovapi.engine.genai.loader import load_batching

    try:
        pipeline, info = load_batching(trial.spec)
        measure = _Measure(pipeline, info, trial.seconds)
        answers = trial.answers or measure.answers(_questions(trial.spec))
        agreement = measure.agreement(answers)
        figures = measure.figures()
    except Exception as error:  # noqa: BLE001 whatever it is, these properties do not do
        return TrialResult(error=describe(error))
    defaults, capabilities = settable_properties(trial.spec.device)
    return TrialResult(figures, answers, agreement, "", defaults, capabilities)


def _questions(spec: EngineSpec) -> list[Prompt]:
    """For the model's own chat template, if it has one."""
    if ModelFiles.read(spec.path).chat_template is None:
        return [TextPrompt(text) for text in _QUESTIONS]
    return [ChatPrompt((Message("user", text),)) for text in _QUESTIONS]
