"""Scheduler: who is computed in the next step, and in which blocks.

Those that decode come first. Prompts go beside them in pieces, as far as `Pace` and
`max_batched_tokens` allow, and the keys that have prompts share what there is. Of a key's prompts
the oldest gets half and the shortest come before the others, so that none waits for ever and
short ones do not wait long.

A job is let in when there are blocks for all its tokens. If blocks run out later, the job that
came last gives its own back and is computed again when there is room.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from ovapi.engine.paged.job import Job, Span
from ovapi.engine.paged.pace import PIECE, Pace
from ovapi.engine.paged.prefix_cache import PrefixCache
from ovapi.engine.paged.sequence import BLOCK, Sequence, blocks_for

_SCORED_ROWS = 64  # of a prompt's logits at a time: each is as long as the vocabulary


@dataclass(slots=True)
class Plan:
    """A step: `copies` of blocks, from and to, come before it. `prompt` counts prompts' tokens."""

    spans: list[Span] = field(default_factory=list)
    copies: list[tuple[int, int]] = field(default_factory=list)
    decoding: int = 0
    prompt: int = 0


class Scheduler:
    """`waiting` jobs have no blocks; `running` ones are in the order of their arrival."""

    def __init__(
        self, cache: PrefixCache, pace: Pace, max_running: int, max_batched_tokens: int
    ) -> None:
        self.waiting: list[Job] = []
        self.running: list[Job] = []
        self.preemptions = 0
        self._cache = cache
        self._pace = pace
        self._max_running = max_running
        self._max_tokens = max_batched_tokens
        self._steps = 0

    def add(self, job: Job) -> None:
        self.waiting.append(job)

    def remove(self, job: Job) -> None:
        """The job has ended, finished or not. Its blocks are free at once."""
        if job in self.running:
            self.running.remove(job)
            self._release(job)
        else:
            self.waiting.remove(job)

    def preempt(self, job: Job) -> None:
        """Take the job's blocks; it is let in again before all others."""
        self.running.remove(job)
        self._release(job)
        job.rewind()
        job.preempted = True
        self.waiting.append(job)
        self.preemptions += 1

    def _release(self, job: Job) -> None:
        for sequence in job.sequences:
            self._remember(sequence)
            self._cache.release(sequence.blocks)
            sequence.blocks = []

    def plan(self) -> Plan:
        """The next step. It is empty only if nothing is in hand."""
        plan = Plan()
        self._steps += 1
        self._admit()
        for job in self.running.copy():
            if job in self.running and not job.prefills:
                self._decode(job, plan)
        self._prefill(plan)
        return plan

    def note(self, plan: Plan, seconds: float) -> None:
        """The step is computed, and took so long."""
        self._pace.note(seconds, plan.decoding, plan.prompt)
        for span in plan.spans:
            span.sequence.compute(span.count)
            self._remember(span.sequence)

    def _remember(self, sequence: Sequence) -> None:
        """Tell the prefix cache of blocks that have become whole."""
        whole = sequence.computed // BLOCK
        if whole > sequence.remembered and sequence.blocks:
            digests = sequence.digests(whole)
            for index in range(sequence.remembered, whole):
                self._cache.remember(sequence.blocks[index], digests[index])
            sequence.remembered = whole

    # -- decoding ------------------------------------------------------------------------------

    def _decode(self, job: Job, plan: Plan) -> None:
        """Give each of the job's sequences its next token, or take the job out."""
        spans: list[Span] = []
        copies: list[tuple[int, int]] = []
        for sequence in job.sequences:
            self._cut_drafts(sequence, plan)
            if not self._make_room(job, sequence, copies):
                return
            tokens = 1 + len(sequence.drafts)
            spans.append(Span(job, sequence, tokens, tokens))
        plan.spans += spans
        plan.copies += copies
        plan.decoding += sum(span.count for span in spans)

    def _cut_drafts(self, sequence: Sequence, plan: Plan) -> None:
        """Drafts take what is left of the step, and free blocks only."""
        most = max(0, self._max_tokens - plan.decoding - len(self.running))
        blocks = len(sequence.blocks) + self._cache.available
        most = min(most, max(0, blocks * BLOCK - len(sequence.tokens)))
        del sequence.drafts[most:]

    def _make_room(self, job: Job, sequence: Sequence, copies: list[tuple[int, int]]) -> bool:
        """Have blocks of its own for what the sequence computes next; false if it is out."""
        index = sequence.computed // BLOCK
        if index < len(sequence.blocks) and self._cache.is_shared(sequence.blocks[index]):
            if not self._free_block(job):
                return False
            own = self._cache.take()
            copies.append((sequence.blocks[index], own))
            self._cache.release([sequence.blocks[index]])
            sequence.blocks[index] = own
        while len(sequence.blocks) < blocks_for(len(sequence.tokens) + len(sequence.drafts)):
            if not self._free_block(job):
                return False
            sequence.blocks.append(self._cache.take())
        return True

    def _free_block(self, job: Job) -> bool:
        """See to it that a block is free; false if `job` itself had to go for it."""
        while not self._cache.available:
            youngest = self.running[-1]
            assert youngest is not job or len(self.running) > 1, "the cache is too small for one"
            self.preempt(youngest)
            if youngest is job:
                return False
        return True

    # -- admission -----------------------------------------------------------------------------

    def _admit(self) -> None:
        """Let jobs in: those that were preempted, then by turns of the keys."""
        while self.waiting:
            room = self._max_running - sum(job.width for job in self.running)
            job = self._next()
            if job is None or (job.width > room and self.running) or not self._enter(job):
                return

    def _next(self) -> Job | None:
        """Of the key with the fewest running jobs the first; None if all should wait.

        One whose prompt begins like one that is being computed waits: it will find it in the cache.
        """
        busy = Counter(job.key for job in self.running)
        coming = self._coming()
        ready = [job for job in self.waiting if not (coming and self._awaits(job, coming))]
        return min(
            ready, key=lambda job: (not job.preempted, busy[job.key], job.number), default=None
        )

    def _coming(self) -> set[bytes]:
        """Digests of the blocks that are being computed for prompts."""
        if not self._cache.enabled:
            return set()
        return {
            digest
            for job in self.running
            if job.prefills
            for sequence in job.sequences
            for digest in sequence.digests(len(sequence.tokens) // BLOCK)[sequence.remembered :]
        }

    def _awaits(self, job: Job, coming: set[bytes]) -> bool:
        digests = self._shareable(job)
        found = self._cache.find(digests)
        return len(found) < len(digests) and digests[len(found)] in coming

    def _shareable(self, job: Job) -> list[bytes]:
        """Digests of the blocks that it may take from the prefix cache: not the last token's."""
        sequence = job.sequences[0]
        if sequence.scores_prompt:
            return []
        return sequence.digests((len(sequence.tokens) - 1) // BLOCK)

    def _enter(self, job: Job) -> bool:
        """Give the job blocks for all its tokens, found and free ones; false if there are too few.

        A free block for each that decodes is kept back, lest it has to go again at once.
        """
        sequence = job.sequences[0]
        found = self._cache.find(self._shareable(job))
        needed = blocks_for(len(sequence.tokens)) - len(found)
        kept = sum(self._cache.is_idle(block) for block in found) + len(self.running)
        if needed + kept > self._cache.available and self.running:
            return False
        for block in found:
            self._cache.share(block)
        sequence.blocks = found + [self._cache.take() for _ in range(needed)]
        sequence.computed = len(found) * BLOCK
        sequence.remembered = len(found)
        self._note_hit(job, sequence)
        self.waiting.remove(job)
        self.running.append(job)
        self.running.sort(key=lambda one: one.number)
        return True

    def _note_hit(self, job: Job, sequence: Sequence) -> None:
        if job.cached is None:
            job.cached = sequence.computed
            self._cache.count(len(sequence.tokens), sequence.computed)

    # -- prompts -------------------------------------------------------------------------------

    def _prefill(self, plan: Plan) -> None:
        queues: dict[str, list[Job]] = {}
        for job in self.running:
            if job.prefills:
                queues.setdefault(job.key, []).append(job)
        budget = self._budget(plan) if queues else 0
        keys = sorted(queues)
        turn = self._steps % len(keys) if keys else 0
        for served, key in enumerate(keys[turn:] + keys[:turn]):
            spans = _pieces(queues[key], -(-budget // (len(keys) - served)))
            plan.spans += spans
            budget -= sum(span.count for span in spans)
            plan.prompt += sum(span.count for span in spans)

    def _budget(self, plan: Plan) -> int:
        """Tokens of prompts in this step."""
        if not plan.spans:
            return self._max_tokens
        return min(self._pace.budget(), max(PIECE, self._max_tokens - plan.decoding))


def _pieces(queue: list[Job], tokens: int) -> list[Span]:
    """Divide `tokens` among prompts: half to the oldest, then to the shortest first."""
    oldest, *others = queue
    reserved = min(_left(oldest), tokens // 2) if others else 0
    room = tokens - reserved
    spans = []
    for job in sorted(others, key=_left):
        if room > 0:
            spans.append(_piece(job, room))
            room -= spans[-1].count
    if room + reserved > 0:
        spans.append(_piece(oldest, room + reserved))
    return spans


def _left(job: Job) -> int:
    return job.sequences[0].left


def _piece(job: Job, most: int) -> Span:
    """The next tokens of a prompt, and the rows of logits that are wanted of them."""
    sequence = job.sequences[0]
    if sequence.scores_prompt:
        count = min(sequence.left, most, _SCORED_ROWS)
        return Span(job, sequence, count, count)
    count = min(sequence.left, most)
    return Span(job, sequence, count, int(count == sequence.left))
