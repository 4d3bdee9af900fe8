"""PagedPipeline: many requests in each forward pass of a paged model, in one thread."""

from __future__ import annotations

import itertools
import logging
import secrets
import time
from dataclasses import dataclass, field

import numpy as np

from ovapi import logs
from ovapi.core import Failed, Started
from ovapi.engine.base import EngineSpec, EngineStats
from ovapi.engine.generation.pipeline import RequestEvent, StepFailed
from ovapi.engine.paged.beam_generation import BeamGeneration, BeamSequences
from ovapi.engine.paged.cache.prefix_cache import PrefixCache, chain_root
from ovapi.engine.paged.drafting.draft_model import DraftModel
from ovapi.engine.paged.drafting.lookup import PromptLookup
from ovapi.engine.paged.generation import Generation, Part, Rows
from ovapi.engine.paged.group import SequenceGroup, Span
from ovapi.engine.paged.prefill_budget import PrefillBudget
from ovapi.engine.paged.runner import Runner
from ovapi.engine.paged.sampling.sampler import NoToken, Sampler
from ovapi.engine.paged.scheduler import Plan, Scheduler
from ovapi.engine.paged.sequence import Sequence
from ovapi.engine.text.input_processor import InputProcessor, PreparedRequest
from ovapi.errors import EngineFailed

log = logging.getLogger(__name__)

_FAILURES = 2
"""So many failed steps in a row are blamed on a request, which the parent process then finds."""


@dataclass(slots=True)
class _Parts:
    """The computed spans of one group."""

    group: SequenceGroup
    parts: list[Part] = field(default_factory=list)


class PagedPipeline:
    """See `GenerationPipeline`."""

    def __init__(
        self,
        runner: Runner,
        cache: PrefixCache,
        input_processor: InputProcessor,
        spec: EngineSpec,
        draft_model: DraftModel | None = None,
    ) -> None:
        self.input_processor = input_processor
        self.cache = cache
        self.scheduler = Scheduler(
            cache, PrefillBudget(spec.max_slowdown), spec.max_running, spec.batched_tokens
        )
        self._runner = runner
        self._draft_model = draft_model
        self._speculation = spec.speculation
        self._numbers = itertools.count()
        self._generations: dict[str, Generation] = {}
        self._unstarted: set[str] = set()
        self._events: list[RequestEvent] = []
        self._left = False  # somebody has, which `stats` must tell
        self._failures = 0

    @property
    def busy(self) -> bool:
        """There is something for `step` to do."""
        return bool(self._generations or self._events or self._left)

    @property
    def stats(self) -> EngineStats:
        running, waiting = len(self.scheduler.running), len(self.scheduler.waiting)
        return EngineStats(running, waiting, self.cache.used / self.cache.size)

    def submit(self, prepared: PreparedRequest) -> None:
        """Queue the request. Its Accepted comes with the next step."""
        generation = self._generation(prepared)
        name = prepared.request.id
        self._generations[name] = generation
        self._unstarted.add(name)
        self.scheduler.add(generation.group)
        self._events.append((name, prepared.accepted))

    def _generation(self, prepared: PreparedRequest) -> Generation:
        request = prepared.request
        tokens = [*prepared.ids, *prepared.given]
        sequence = Sequence(
            tokens,
            chain_root(request.adapter, request.cache_salt),
            scores_prompt=prepared.echoes_logprobs,
            adapter=request.adapter,
        )
        output = self.input_processor.output_processor(prepared)
        sampler, table = self._sampler(prepared), self.input_processor.table
        number = next(self._numbers)
        if request.sampling.beams is None:
            group = SequenceGroup(request.id, number, [sequence], request.caller)
            return Generation(prepared, group, output, sampler, table, self._lookup())
        beams = BeamSequences(
            request.id,
            number,
            [sequence],
            request.caller,
            width=prepared.width,
            prompt_tokens=len(tokens),
        )
        return BeamGeneration(
            prepared,
            beams,
            output,
            sampler,
            table,
            input_processor=self.input_processor,
            cache=self.cache,
            ends=self._ends(prepared),
        )

    def _lookup(self) -> PromptLookup | None:
        if self._speculation is None or self._draft_model is not None:
            return None
        return PromptLookup(self._speculation.ngram, self._speculation.tokens)

    def _sampler(self, prepared: PreparedRequest) -> Sampler:
        """A sampler in the state after the tokens that the request has already."""
        params = prepared.request.sampling
        seed = secrets.randbits(64) if params.seed is None else params.seed
        bias = dict(params.logit_bias)
        sampler = Sampler(params, seed, prepared.ids, self._ends(prepared), bias)
        for token in prepared.given:
            sampler.accept(token)
        return sampler

    def _ends(self, prepared: PreparedRequest) -> set[int]:
        """The tokens that end the request."""
        params = prepared.request.sampling
        own = set(params.stop_token_ids)
        return own if params.ignore_eos else own | self.input_processor.eos_ids

    def cancel(self, request_id: str) -> None:
        generation = self._generations.pop(request_id, None)
        if generation is not None:
            self._unstarted.discard(request_id)
            self.scheduler.remove(generation.group)
            self._left = True

    def step(self) -> list[RequestEvent]:
        """Take one step; the events since the last one.

        A step that fails is computed again. Raises StepFailed if that fails too: no request is
        left here then, and each has to be submitted again.
        """
        if self._generations:
            self._step()
        self._left = False
        events, self._events = self._events, []
        return events

    def _step(self) -> None:
        began = time.monotonic()
        try:
            self._draft()
            plan = self.scheduler.plan()
            if self._draft_model is not None:
                self._draft_model.follow(plan.spans)
            self._runner.copy(plan.copies)
            logits = self._runner.run(plan.spans)
        except Exception as error:  # noqa: BLE001 whatever it was, all can be recomputed
            self._recover(error)
            return
        self._failures = 0
        self.scheduler.note(plan, time.monotonic() - began)
        self._note_started(plan, began)
        for found in _by_group(plan, logits):
            self._take(self._generations[found.group.id], found.parts)

    def _draft(self) -> None:
        """Have draft tokens for those that decode."""
        if self._draft_model is None:
            for generation in self._generations.values():
                generation.draft()
            return
        rooms = {}
        for group in self.scheduler.running:
            room = min(self._generations[group.id].room, self._draft_model.tokens)
            if room > 0:
                sequence = group.sequences[0]
                rooms[sequence] = self.scheduler.reserve(sequence, room)
        self._draft_model.propose(rooms)

    def _note_started(self, plan: Plan, began: float) -> None:
        if self._unstarted:
            for name in {span.group.id for span in plan.spans} & self._unstarted:
                self._unstarted.discard(name)
                self._events.append((name, Started(began)))

    def _take(self, generation: Generation, parts: list[Part]) -> None:
        """Tokens and events of one request. A failure in it ends this one only."""
        name = generation.group.id
        try:
            events = generation.take(parts)
        except NoToken as error:
            self._give_up(generation, str(error))
        except Exception:
            log.exception("failed to process the logits of a request")
            self._give_up(generation, "The engine failed at this request.")
        else:
            self._events.extend((name, event) for event in events)
            if generation.ended:
                self.cancel(name)

    def _give_up(self, generation: Generation, message: str) -> None:
        with logs.about(generation.prepared.request.names):
            log.error("request failed: %s", message)
        self.cancel(generation.group.id)
        self._fail(generation.group.id, message)

    def _fail(self, request_id: str, message: str) -> None:
        self._events.append((request_id, Failed(EngineFailed(message))))

    def _recover(self, error: Exception) -> None:
        """Have everything recomputed. Raises StepFailed if that has failed before."""
        self._failures += 1
        log.error("a step failed with %d requests: %s", len(self.scheduler.running), error)
        for group in self.scheduler.running.copy():
            self.scheduler.preempt(group)
        self._runner.renew()
        if self._failures < _FAILURES:
            return
        self._failures = 0
        lost = frozenset((*self._generations, *(name for name, _ in self._events)))
        for name in list(self._generations):
            self.cancel(name)
        self.cache.forget()
        self._events.clear()
        raise StepFailed(lost) from error

    def probe(self) -> bool:
        """Whether the model gives finite logits. Only while no request is in flight."""
        sequence = Sequence([0], chain_root(), blocks=[self.cache.take()])
        span = Span(SequenceGroup("", -1, [sequence]), sequence, 1, 1)
        logits = self._runner.run([span])
        self.cache.release(sequence.blocks)
        return bool(np.isfinite(logits).all())


def _by_group(plan: Plan, logits: Rows) -> list[_Parts]:
    """The spans of a step, group by group, each with its rows of logits."""
    found: list[_Parts] = []
    row = 0
    for span in plan.spans:
        if not found or found[-1].group is not span.group:
            found.append(_Parts(span.group))
        found[-1].parts.append((span, logits[row : row + span.rows]))
        row += span.rows
    return found
