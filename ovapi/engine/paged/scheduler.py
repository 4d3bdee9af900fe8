"""Scheduler: what is computed in the next step, and in which blocks.

Decodes come first. Prompts are prefilled beside them as far as `max_batched_tokens` goes; longer
ones than that in chunks, as far as `PrefillBudget` allows. API keys share it evenly. Of a key's
prompts shorter ones overtake the oldest, which gets half: none starves, and none waits long.

A group is admitted when there are blocks for all its tokens. If blocks run out later, the youngest
group is preempted: it frees its blocks, and is recomputed when there is room.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from ovapi.engine.paged.cache.prefix_cache import PrefixCache
from ovapi.engine.paged.group import SequenceGroup, Span
from ovapi.engine.paged.prefill_budget import CHUNK, PrefillBudget
from ovapi.engine.paged.sequence import BLOCK, Sequence, blocks_for

_SCORED_ROWS = 64  # of a prompt's logits at a time: each is as long as the vocabulary


@dataclass(slots=True)
class Plan:
    """A step: the spans to compute, after `copies` of blocks from the first to the second.

    `decoding` and `prompt` count tokens, `long` those of long prompts.
    """

    spans: list[Span] = field(default_factory=list)
    copies: list[tuple[int, int]] = field(default_factory=list)
    decoding: int = 0
    prompt: int = 0
    long: int = 0


class Scheduler:
    """`waiting` groups have no blocks; `running` ones are in the order of their arrival."""

    def __init__(
        self, cache: PrefixCache, budget: PrefillBudget, max_running: int, max_batched_tokens: int
    ) -> None:
        self.waiting: list[SequenceGroup] = []
        self.running: list[SequenceGroup] = []
        self.preemptions = 0
        self._cache = cache
        self._prefill_budget = budget
        self._max_running = max_running
        self._max_tokens = max_batched_tokens
        self._steps = 0

    def add(self, group: SequenceGroup) -> None:
        self.waiting.append(group)

    def remove(self, group: SequenceGroup) -> None:
        """The group has ended, finished or not. Its blocks are free at once."""
        if group in self.running:
            self.running.remove(group)
            self._release(group)
        else:
            self.waiting.remove(group)

    def preempt(self, group: SequenceGroup) -> None:
        """Free the group's blocks; it is the next to be admitted again."""
        self.running.remove(group)
        self._release(group)
        group.rewind()
        group.preempted = True
        self.waiting.append(group)
        self.preemptions += 1

    def _release(self, group: SequenceGroup) -> None:
        for sequence in group.sequences:
            self._remember(sequence)
            self._cache.release(sequence.blocks)
            sequence.blocks = []

    def reserve(self, sequence: Sequence, drafts: int) -> int:
        """Take blocks for draft tokens, as far as there are any; how many tokens fit."""
        needed = blocks_for(len(sequence.tokens) + drafts) - len(sequence.blocks)
        for _ in range(min(needed, self._cache.available)):
            sequence.blocks.append(self._cache.take())
        return min(drafts, len(sequence.blocks) * BLOCK - len(sequence.tokens))

    def plan(self) -> Plan:
        """The next step; empty only if there is no group."""
        plan = Plan()
        self._steps += 1
        self._admit()
        for group in self.running.copy():
            if group in self.running and not group.prefills:
                self._decode(group, plan)
        self._prefill(plan)
        return plan

    def note(self, plan: Plan, seconds: float) -> None:
        """The step is computed, and took so long."""
        self._prefill_budget.note(seconds, plan.decoding, plan.prompt, plan.long)
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

    def _decode(self, group: SequenceGroup, plan: Plan) -> None:
        """Schedule the next token of each of the group's sequences, unless it is preempted."""
        spans: list[Span] = []
        copies: list[tuple[int, int]] = []
        for sequence in group.sequences:
            if sequence.drafts:
                self._cut_drafts(sequence, plan)
            if not self._make_room(group, sequence, copies):
                return
            tokens = 1 + len(sequence.drafts)
            spans.append(Span(group, sequence, tokens, tokens))
        plan.spans += spans
        plan.copies += copies
        plan.decoding += sum(span.count for span in spans)

    def _cut_drafts(self, sequence: Sequence, plan: Plan) -> None:
        """Draft tokens use what is left of the step, and never preempt anybody."""
        most = max(0, self._max_tokens - plan.decoding - len(self.running))
        blocks = len(sequence.blocks) + self._cache.available
        most = min(most, max(0, blocks * BLOCK - len(sequence.tokens)))
        del sequence.drafts[most:]

    def _make_room(
        self, group: SequenceGroup, sequence: Sequence, copies: list[tuple[int, int]]
    ) -> bool:
        """Give the sequence blocks to write to, copied on write; false if it was preempted."""
        if not self._own_last_block(group, sequence, copies):
            return False
        while len(sequence.blocks) < blocks_for(len(sequence.tokens) + len(sequence.drafts)):
            if not self._free_block(group):
                return False
            sequence.blocks.append(self._cache.take())
        return True

    def _own_last_block(
        self, group: SequenceGroup, sequence: Sequence, copies: list[tuple[int, int]]
    ) -> bool:
        """Copy the block of the next token if others read it; false if it was preempted."""
        index = sequence.computed // BLOCK
        if index == len(sequence.blocks) or not self._cache.is_shared(sequence.blocks[index]):
            return True
        if not self._free_block(group):
            return False
        own = self._cache.take()
        copies.append((sequence.blocks[index], own))
        self._cache.release([sequence.blocks[index]])
        sequence.blocks[index] = own
        return True

    def _free_block(self, group: SequenceGroup) -> bool:
        """Have a block available; false if `group` itself was preempted for it."""
        while not self._cache.available:
            youngest = self.running[-1]
            assert youngest is not group or len(self.running) > 1, "the cache is too small for one"
            self.preempt(youngest)
            if youngest is group:
                return False
        return True

    # -- admission -----------------------------------------------------------------------------

    def _admit(self) -> None:
        """Admit groups: preempted ones first, then the keys take turns."""
        while self.waiting:
            room = self._max_running - sum(group.width for group in self.running)
            group = self._next() if room > 0 else None
            if group is None or (group.width > room and self.running) or not self._enter(group):
                return

    def _next(self) -> SequenceGroup | None:
        """The oldest of the key with the fewest running groups; None if all should wait.

        One whose prompt shares a prefix with one that is being prefilled waits for the cache.
        """
        busy = Counter(group.key for group in self.running)
        coming = self._coming()
        ready = [group for group in self.waiting if not (coming and self._awaits(group, coming))]
        return min(
            ready, key=lambda one: (not one.preempted, busy[one.key], one.number), default=None
        )

    def _coming(self) -> set[bytes]:
        """Digests of the blocks that are being prefilled."""
        if not self._cache.enabled:
            return set()
        return {
            digest
            for group in self.running
            if group.prefills
            for sequence in group.sequences
            for digest in sequence.digests(len(sequence.tokens) // BLOCK)[sequence.remembered :]
        }

    def _awaits(self, group: SequenceGroup, coming: set[bytes]) -> bool:
        digests = self._shareable(group)
        found = self._cache.find(digests)
        return len(found) < len(digests) and digests[len(found)] in coming

    def _shareable(self, group: SequenceGroup) -> list[bytes]:
        """Digests of the blocks that the prefix cache may give it: never that of its last token."""
        sequence = group.sequences[0]
        if sequence.scores_prompt:
            return []
        return sequence.digests((len(sequence.tokens) - 1) // BLOCK)

    def _enter(self, group: SequenceGroup) -> bool:
        """Give the group blocks for all its tokens; false if too few are available.

        A block for each running group is kept back, lest somebody is preempted at once.
        """
        sequence = group.sequences[0]
        found = self._cache.find(self._shareable(group))
        needed = blocks_for(len(sequence.tokens)) - len(found)
        kept = sum(self._cache.is_idle(block) for block in found) + len(self.running)
        if needed + kept > self._cache.available and self.running:
            return False
        for block in found:
            self._cache.share(block)
        sequence.blocks = found + [self._cache.take() for _ in range(needed)]
        sequence.computed = sequence.draft_computed = len(found) * BLOCK
        sequence.remembered = len(found)
        group.long = sequence.left > self._max_tokens
        self._note_hit(group, sequence)
        group.preempted = False
        self.waiting.remove(group)
        self.running.append(group)
        self.running.sort(key=lambda one: one.number)
        return True

    def _note_hit(self, group: SequenceGroup, sequence: Sequence) -> None:
        if group.cached is None:
            group.cached = sequence.computed
            self._cache.count(len(sequence.tokens), sequence.computed)

    # -- prefill -------------------------------------------------------------------------------

    def _prefill(self, plan: Plan) -> None:
        """Short prompts as far as the step goes; long ones as those that decode can bear it."""
        groups = [group for group in self.running if group.prefills]
        if not groups:
            return
        room = max(CHUNK, self._max_tokens - plan.decoding)
        throttled = min(room, self._prefill_budget.tokens()) if plan.decoding else room
        long = [group for group in groups if group.long]
        reserved = min(throttled, room // 2) if long else 0
        self._share([group for group in groups if not group.long], room - reserved, plan)
        short = plan.prompt
        self._share(long, min(throttled, room - short), plan)
        plan.long = plan.prompt - short

    def _share(self, groups: list[SequenceGroup], tokens: int, plan: Plan) -> None:
        """Divide `tokens` evenly among the keys of these groups, which take turns to be first."""
        queues: dict[str, list[SequenceGroup]] = {}
        for group in groups:
            queues.setdefault(group.key, []).append(group)
        keys = sorted(queues)
        turn = self._steps % len(keys) if keys else 0
        for served, key in enumerate(keys[turn:] + keys[:turn]):
            spans = _chunks(queues[key], -(-tokens // (len(keys) - served)))
            used = sum(span.count for span in spans)
            plan.spans += spans
            plan.prompt += used
            tokens -= used


def _chunks(queue: list[SequenceGroup], tokens: int) -> list[Span]:
    """Divide `tokens` among prompts: half for the oldest, half for shorter ones, if there are any.

    What they leave goes to the others in their order.
    """
    if not queue or tokens <= 0:
        return []
    oldest, *others = queue
    shorter = sorted((one for one in others if _left(one) < _left(oldest)), key=_left)
    room = tokens - min(_left(oldest), tokens // 2 if shorter else tokens)
    spans = []
    for group in shorter:
        if room > 0:
            spans.append(_chunk(group, room))
            room -= spans[-1].count
    tokens -= sum(span.count for span in spans)
    spans.append(_chunk(oldest, tokens))
    served = {span.group for span in spans}
    rest = [one for one in others if one not in served]
    return spans + _chunks(rest, tokens - spans[-1].count)


def _left(group: SequenceGroup) -> int:
    return group.sequences[0].left


def _chunk(group: SequenceGroup, most: int) -> Span:
    """The next tokens of a prompt, and the rows of logits that are wanted of them."""
    sequence = group.sequences[0]
    if sequence.scores_prompt:
        count = min(sequence.left, most, _SCORED_ROWS)
        return Span(group, sequence, count, count)
    count = min(sequence.left, most)
    return Span(group, sequence, count, int(count == sequence.left))
