"""The scheduler without a model: nobody starves, and no block is leaked or mixed up."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from ovapi.engine.paged.cache.blocks import BlockPool
from ovapi.engine.paged.cache.prefix_cache import PrefixCache, chain_root
from ovapi.engine.paged.group import SequenceGroup
from ovapi.engine.paged.prefill_budget import CHUNK, PrefillBudget
from ovapi.engine.paged.scheduler import Plan, Scheduler
from ovapi.engine.paged.sequence import BLOCK, Sequence, blocks_for


class SimulatedModel:
    """A scheduler whose model says the token 7 all the time; steps take as long as they should."""

    def __init__(self, blocks: int = 64, most: int = 64, tokens: int = 256) -> None:
        self.cache = PrefixCache(BlockPool(blocks))
        self.scheduler = Scheduler(self.cache, PrefillBudget(2.5), most, tokens)
        self.numbers = itertools.count()
        self.left: dict[SequenceGroup, int] = {}

    def add(self, prompt: list[int], new: int, key: str = "", drafts: int = 0) -> SequenceGroup:
        number = next(self.numbers)
        sequence = Sequence(prompt.copy(), chain_root(), drafts=[7] * drafts)
        group = SequenceGroup(str(number), number, [sequence], key=key)
        self.left[group] = new
        self.scheduler.add(group)
        return group

    def end(self, group: SequenceGroup) -> None:
        del self.left[group]
        self.scheduler.remove(group)

    def step(self) -> Plan:
        plan = self.scheduler.plan()
        self.scheduler.note(plan, 0.01 + 0.0001 * plan.prompt)
        for span in plan.spans:
            if not span.sequence.left:
                span.sequence.extend([7])
                self.left[span.group] -= 1
                if not self.left[span.group]:
                    self.end(span.group)
        return plan

    def run(self) -> int:
        """Step to the end; how many steps it took."""
        for steps in itertools.count():
            if not self.left:
                return steps
            assert steps < 5000, "somebody starves"
            assert self.step().spans
        raise AssertionError


def tokens(count: int, first: int = 0) -> list[int]:
    return list(range(first, first + count))


def test_prompts_are_prefilled_in_chunks_beside_decodes() -> None:
    model = SimulatedModel()
    first = model.add(tokens(10), 200)
    model.step()
    model.step()
    long = model.add(tokens(1000, 50), 5)
    plans = [model.step() for _ in range(20)]
    assert all(plan.spans[0].group is first for plan in plans)
    assert all(plan.prompt <= 256 for plan in plans)
    assert any(plan.prompt for plan in plans)
    assert long.sequences[0].computed > 0


def test_short_prompts_go_in_at_once_and_long_ones_go_on_beside_them() -> None:
    """However many short ones come."""
    model = SimulatedModel(blocks=512)
    model.add(tokens(10), 900)
    long = model.add(tokens(2000, 50), 5)
    for number in range(400):
        short = [model.add(tokens(40, 3000 + 100 * number + 50 * one), 2) for one in range(2)]
        model.step()
        assert all(not group.prefills or group not in model.left for group in short)
        if not long.prefills:
            return
    raise AssertionError("the long prompt starves")


def test_short_prompts_overtake_a_long_one_which_goes_on() -> None:
    model = SimulatedModel()
    model.add(tokens(10), 500)
    model.step()
    model.step()
    long = model.add(tokens(1500, 50), 5)
    for _ in range(4):
        model.step()
    short = model.add(tokens(20, 5000), 5)
    before = long.sequences[0].computed
    while short.prefills:
        model.step()
    assert long.prefills
    assert long.sequences[0].computed > before


def test_keys_take_turns() -> None:
    """Two groups run at a time: of the many of one key and the one of another, both get a place."""
    model = SimulatedModel(most=2)
    for first in range(6):
        model.add(tokens(10, 100 * first), 3, key="many")
    one = model.add(tokens(10, 9000), 3, key="one")
    model.step()
    assert one in model.scheduler.running


def test_keys_share_the_tokens_of_a_step() -> None:
    model = SimulatedModel(blocks=256)
    long = model.add(tokens(3000, 50), 5, key="many")
    other = model.add(tokens(3000, 9000), 5, key="one")
    for _ in range(4):
        model.step()
    assert abs(long.sequences[0].computed - other.sequences[0].computed) <= 256


def test_equal_prompts_that_come_together_are_computed_once() -> None:
    model = SimulatedModel()
    groups = [model.add(tokens(100), 3) for _ in range(4)]
    computed = 0
    while any(group.prefills for group in groups if group in model.left):
        computed += model.step().prompt
    assert computed == 100 + 3 * (100 - 96)
    assert [group.cached for group in groups] == [0, 96, 96, 96]
    model.run()


def test_the_last_token_is_computed_even_if_all_is_known() -> None:
    model = SimulatedModel()
    model.add(tokens(64), 1)
    model.run()
    again = model.add(tokens(64), 1)
    assert model.step().prompt == BLOCK
    assert again.cached == 64 - BLOCK


def test_what_was_generated_is_found_by_the_next_turn() -> None:
    model = SimulatedModel()
    model.add(tokens(60), 40)
    model.run()
    again = model.add(tokens(60) + [7] * 40 + tokens(10), 1)
    model.run()
    assert again.cached == 96


def test_a_prompt_whose_logits_are_wanted_is_computed_whole() -> None:
    model = SimulatedModel()
    model.add(tokens(64), 1)
    model.run()
    scored = model.add(tokens(64), 1)
    scored.sequences[0].scores_prompt = True
    (span,) = model.step().spans
    assert (span.count, span.rows) == (64, 64)


def test_the_youngest_makes_room_and_is_computed_again() -> None:
    model = SimulatedModel(blocks=6)
    old = model.add(tokens(40), 60)
    young = model.add(tokens(40, 500), 60)
    while not young.preempted:
        model.step()
    assert model.scheduler.running == [old]
    assert young.sequences[0].blocks == []
    made = len(young.sequences[0].tokens)
    assert made > 40
    model.run()
    assert len(young.sequences[0].tokens) == 100
    assert model.cache.used == 0


def test_nobody_overtakes_one_that_was_preempted() -> None:
    model = SimulatedModel(blocks=6)
    model.add(tokens(40), 60)
    young = model.add(tokens(40, 500), 60)
    while not young.preempted:
        model.step()
    late = model.add(tokens(5, 900), 2)
    while young in model.scheduler.waiting:
        assert late in model.scheduler.waiting
        model.step()


def test_drafts_take_only_what_is_free() -> None:
    model = SimulatedModel(blocks=2)
    group = model.add(tokens(60), 4, drafts=0)
    model.step()
    group.sequences[0].drafts = [7] * 10  # 61 tokens: there is room for 3 more
    (span,) = model.step().spans
    assert span.count == 1 + 3


def test_a_slow_chunk_is_made_up_for() -> None:
    budget = PrefillBudget(2.0)
    for _ in range(5):
        budget.note(0.01, 4, 0, 0)
    assert budget.tokens() == CHUNK
    budget.note(0.05, 4, CHUNK, CHUNK)
    waits = 0
    while not budget.tokens():
        budget.note(0.01, 4, 0, 0)
        waits += 1
    assert waits == 3  # (0.05 + 3 * 0.01) / 4 is twice 0.01


def test_chunks_fit_what_a_step_may_take() -> None:
    budget = PrefillBudget(2.5)
    for _ in range(5):
        budget.note(0.02, 4, 0, 0)
    for _ in range(20):
        budget.note(0.02 + 0.0002 * 64, 4, 64, 64)
    assert budget.tokens() == 0.03 / 0.0002 // CHUNK * CHUNK


def test_before_the_first_step_without_a_prompt_chunks_are_small() -> None:
    budget = PrefillBudget(2.5)
    budget.note(0.5, 0, 100, 0)
    assert budget.tokens() == CHUNK


@pytest.mark.parametrize("blocks", [16, 40])
def test_a_crowd_in_a_small_cache_finishes_whole(blocks: int) -> None:
    model = SimulatedModel(blocks=blocks, most=16)
    groups = [model.add(tokens(30 + 10 * n, 1000 * n), 150, key=str(n % 3)) for n in range(20)]
    model.run()
    assert all(len(group.sequences[0].tokens) == 180 + 10 * n for n, group in enumerate(groups))
    assert model.cache.used == 0
    assert model.scheduler.preemptions > 0


class SchedulerMachine(RuleBasedStateMachine):
    """Arrivals of prompts that share beginnings, cancellations and steps, in any order."""

    BLOCKS = 12

    def __init__(self) -> None:
        super().__init__()
        self.model = SimulatedModel(blocks=self.BLOCKS, most=5, tokens=64)

    @rule(
        shared=st.integers(0, 100),
        own=st.integers(1, 100),
        new=st.integers(1, 150),
        key=st.sampled_from("ab"),
    )
    def arrive(self, shared: int, own: int, new: int, key: str) -> None:
        prompt = [1] * shared + [2] * own
        self.model.add(prompt, new, key)

    @precondition(lambda self: self.model.left)
    @rule(which=st.integers(0, 50))
    def cancel(self, which: int) -> None:
        self.model.end(list(self.model.left)[which % len(self.model.left)])

    @precondition(lambda self: self.model.left)
    @rule(times=st.integers(1, 30))
    def step(self, times: int) -> None:
        for _ in range(times):
            if self.model.left:
                assert self.model.step().spans

    @invariant()
    def blocks_hold_what_their_sequences_say(self) -> None:
        """A block of two sequences holds the same beginning of both."""
        holds: dict[int, tuple[int, ...]] = {}
        for group in self.model.scheduler.running:
            sequence = group.sequences[0]
            assert len(sequence.blocks) >= blocks_for(sequence.computed)
            for index, block in enumerate(sequence.blocks):
                beginning = tuple(sequence.tokens[: (index + 1) * BLOCK])
                assert holds.setdefault(block, beginning) == beginning
        assert len(holds) == self.model.cache.used

    @invariant()
    def those_that_wait_hold_nothing(self) -> None:
        assert all(not group.sequences[0].blocks for group in self.model.scheduler.waiting)

    def teardown(self) -> None:
        self.model.run()
        assert self.model.cache.available == self.BLOCKS
        assert not self.model.scheduler.running
        assert not self.model.scheduler.waiting


TestScheduler = SchedulerMachine.TestCase
TestScheduler.settings = settings(max_examples=150, stateful_step_count=30, deadline=None)
