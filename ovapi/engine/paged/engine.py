"""PagedEngine: the worker's requests, a batch of them in each forward pass.

It runs in the engine process, in one thread, and knows nothing of pipes.
"""

from __future__ import annotations

import itertools
import logging
import secrets
import time
from dataclasses import dataclass, field

import numpy as np

from ovapi import logs
from ovapi.core import Accepted, Failed, GenerateRequest, Started
from ovapi.engine.base import EngineSpec, EngineStats
from ovapi.engine.batching import StepFailed, Tagged
from ovapi.engine.intake import Intake, Prepared
from ovapi.engine.paged.answer import Answer, Part, Rows
from ovapi.engine.paged.batch import Batch
from ovapi.engine.paged.job import Job, Span
from ovapi.engine.paged.pace import Pace
from ovapi.engine.paged.prefix_cache import PrefixCache, chain_root
from ovapi.engine.paged.runner import Runner
from ovapi.engine.paged.sampler import NoToken, Sampler
from ovapi.engine.paged.scheduler import Plan, Scheduler
from ovapi.engine.paged.sequence import Sequence
from ovapi.errors import ApiError, EngineFailed

log = logging.getLogger(__name__)

_FAILURES = 2
"""So many steps that fail in a row are not the machine's fault, but that of a request."""


@dataclass(slots=True)
class _Parts:
    """What the spans of one job have come to."""

    job: Job
    parts: list[Part] = field(default_factory=list)


class PagedEngine:
    """`submit` and `cancel` only take note; `step` does the work and gives the events of all."""

    def __init__(
        self, runner: Runner, cache: PrefixCache, intake: Intake, spec: EngineSpec
    ) -> None:
        self.intake = intake
        self.cache = cache
        self.scheduler = Scheduler(
            cache, Pace(spec.max_slowdown), spec.max_running, spec.max_batched_tokens
        )
        self._runner = runner
        self._root = chain_root()
        self._numbers = itertools.count()
        self._answers: dict[str, Answer] = {}
        self._unstarted: set[str] = set()
        self._events: list[Tagged] = []
        self._failures = 0

    @property
    def busy(self) -> bool:
        """There is something for `step` to do."""
        return bool(self._answers or self._events)

    @property
    def stats(self) -> EngineStats:
        running, waiting = len(self.scheduler.running), len(self.scheduler.waiting)
        return EngineStats(running, waiting, self.cache.used / self.cache.size)

    def submit(self, request: GenerateRequest, given: tuple[int, ...] = ()) -> None:
        """Queue the request. Its Accepted or Failed comes with the next step."""
        try:
            prepared = self.intake.prepare(request, given)
            answer = self._answer(prepared)
        except ApiError as error:
            self._events.append((request.id, Failed(error)))
            return
        except Exception:
            log.exception("the request could not be prepared")
            self._fail(request.id, "The request could not be prepared.")
            return
        self._answers[request.id] = answer
        self._unstarted.add(request.id)
        self.scheduler.add(answer.job)
        self._events.append((request.id, Accepted(len(prepared.ids))))

    def _answer(self, prepared: Prepared) -> Answer:
        request = prepared.request
        tokens = [*prepared.ids, *prepared.given]
        sequence = Sequence(tokens, self._root, scores_prompt=prepared.echoes_logprobs)
        job = Job(request.id, next(self._numbers), [sequence], width=prepared.width)
        generation = self.intake.generation(prepared)
        return Answer(prepared, job, generation, self._sampler(prepared), self.intake.table)

    def _sampler(self, prepared: Prepared) -> Sampler:
        """A sampler that has picked the tokens that the request was given already."""
        params = prepared.request.sampling
        seed = secrets.randbits(64) if params.seed is None else params.seed
        ends = set(params.stop_token_ids)
        if not params.ignore_eos:
            ends |= self.intake.eos_ids
        sampler = Sampler(params, seed, prepared.ids, ends, dict(params.logit_bias))
        for token in prepared.given:
            sampler.accept(token)
        return sampler

    def cancel(self, request_id: str) -> None:
        answer = self._answers.pop(request_id, None)
        if answer is not None:
            self._unstarted.discard(request_id)
            self.scheduler.remove(answer.job)

    def step(self) -> list[Tagged]:
        """Take one step, and give the events since the last one.

        A step that fails is taken again. Raises StepFailed when it fails again: nothing is in hand
        any more then, and every request has to be submitted anew.
        """
        if self._answers:
            self._step()
        events, self._events = self._events, []
        return events

    def _step(self) -> None:
        plan = self.scheduler.plan()
        began = time.monotonic()
        try:
            self._runner.copy(plan.copies)
            logits = self._runner.run(Batch.of(plan.spans))
        except Exception as error:  # noqa: BLE001 whatever it was, everything can be computed again
            self._recover(error)
            return
        self._failures = 0
        self.scheduler.note(plan, time.monotonic() - began)
        self._note_started(plan, began)
        for found in _by_job(plan, logits):
            self._take(self._answers[found.job.id], found.parts)

    def _note_started(self, plan: Plan, began: float) -> None:
        if self._unstarted:
            for name in {span.job.id for span in plan.spans} & self._unstarted:
                self._unstarted.discard(name)
                self._events.append((name, Started(began)))

    def _take(self, answer: Answer, parts: list[Part]) -> None:
        """Tokens and events of one request. Whatever fails in it is the end of this one only."""
        name = answer.job.id
        try:
            events = answer.take(parts)
        except NoToken as error:
            self._give_up(answer, str(error))
        except Exception:
            log.exception("tokens could not be taken")
            self._give_up(answer, "The engine failed at this request.")
        else:
            self._events.extend((name, event) for event in events)
            if answer.ended:
                self.cancel(name)

    def _give_up(self, answer: Answer, message: str) -> None:
        with logs.about(answer.prepared.request.names):
            log.error("the request is given up: %s", message)
        self.cancel(answer.job.id)
        self._fail(answer.job.id, message)

    def _fail(self, request_id: str, message: str) -> None:
        self._events.append((request_id, Failed(EngineFailed(message))))

    def _recover(self, error: Exception) -> None:
        """Have everything computed again, unless that was of no use. Raises StepFailed."""
        self._failures += 1
        log.error("a step failed with %d requests: %s", len(self.scheduler.running), error)
        for job in self.scheduler.running.copy():
            self.scheduler.preempt(job)
        self._runner.renew()
        if self._failures < _FAILURES:
            return
        self._failures = 0
        lost = frozenset((*self._answers, *(name for name, _ in self._events)))
        for name in list(self._answers):
            self.cancel(name)
        self.cache.forget()
        self._events.clear()
        raise StepFailed(lost) from error

    def probe(self) -> bool:
        """Whether the model gives numbers. Only while nothing is in hand."""
        sequence = Sequence([0], self._root, blocks=[self.cache.take()])
        span = Span(Job("", -1, [sequence]), sequence, 1, 1)
        logits = self._runner.run(Batch.of([span]))
        self.cache.release(sequence.blocks)
        return bool(np.isfinite(logits).all())


def _by_job(plan: Plan, logits: Rows) -> list[_Parts]:
    """The spans of a step, job by job, each with its rows of logits."""
    found: list[_Parts] = []
    row = 0
    for span in plan.spans:
        if not found or found[-1].job is not span.job:
            found.append(_Parts(span.job))
        found[-1].parts.append((span, logits[row : row + span.rows]))
        row += span.rows
    return found
