"""The scheduler without a model: nobody starves, nothing is lost, no block is leaked or mixed up."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from ovapi.engine.paged.blocks import BlockPool
from ovapi.engine.paged.job import Job
from ovapi.engine.paged.pace import PIECE, Pace
from ovapi.engine.paged.prefix_cache import PrefixCache, chain_root
from ovapi.engine.paged.scheduler import Plan, Scheduler
from ovapi.engine.paged.sequence import BLOCK, Sequence, blocks_for


class Bench:
    """A scheduler whose model says the token 7 all the time; steps take as long as they should."""

    def __init__(self, blocks: int = 64, most: int = 64, tokens: int = 256) -> None:
        self.cache = PrefixCache(BlockPool(blocks))
        self.scheduler = Scheduler(self.cache, Pace(2.5), most, tokens)
        self.numbers = itertools.count()
        self.left: dict[Job, int] = {}

    def add(self, prompt: list[int], new: int, key: str = "", drafts: int = 0) -> Job:
        number = next(self.numbers)
        sequence = Sequence(prompt.copy(), chain_root(), drafts=[7] * drafts)
        job = Job(str(number), number, [sequence], key=key)
        self.left[job] = new
        self.scheduler.add(job)
        return job

    def end(self, job: Job) -> None:
        del self.left[job]
        self.scheduler.remove(job)

    def step(self) -> Plan:
        plan = self.scheduler.plan()
        self.scheduler.note(plan, 0.01 + 0.0001 * plan.prompt)
        for span in plan.spans:
            if not span.sequence.left:
                span.sequence.extend([7])
                self.left[span.job] -= 1
                if not self.left[span.job]:
                    self.end(span.job)
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


def test_prompts_go_in_pieces_beside_those_that_decode() -> None:
    bench = Bench()
    first = bench.add(tokens(10), 200)
    bench.step()
    bench.step()
    long = bench.add(tokens(1000, 50), 5)
    plans = [bench.step() for _ in range(20)]
    assert all(plan.spans[0].job is first for plan in plans)
    assert all(plan.prompt <= 256 for plan in plans)
    assert any(plan.prompt for plan in plans)
    assert long.sequences[0].computed > 0


def test_short_prompts_overtake_a_long_one_which_goes_on() -> None:
    bench = Bench()
    bench.add(tokens(10), 500)
    bench.step()
    bench.step()
    long = bench.add(tokens(1500, 50), 5)
    for _ in range(4):
        bench.step()
    short = bench.add(tokens(20, 5000), 5)
    before = long.sequences[0].computed
    while short.prefills:
        bench.step()
    assert long.prefills
    assert long.sequences[0].computed > before


def test_keys_take_turns() -> None:
    """Two jobs run at a time: of the many of one key and the one of another, both get a place."""
    bench = Bench(most=2)
    for first in range(6):
        bench.add(tokens(10, 100 * first), 3, key="many")
    one = bench.add(tokens(10, 9000), 3, key="one")
    bench.step()
    assert one in bench.scheduler.running


def test_keys_share_the_tokens_of_a_step() -> None:
    bench = Bench(blocks=256)
    long = bench.add(tokens(3000, 50), 5, key="many")
    other = bench.add(tokens(3000, 9000), 5, key="one")
    for _ in range(4):
        bench.step()
    assert abs(long.sequences[0].computed - other.sequences[0].computed) <= 256


def test_equal_prompts_that_come_together_are_computed_once() -> None:
    bench = Bench()
    jobs = [bench.add(tokens(100), 3) for _ in range(4)]
    computed = 0
    while any(job.prefills for job in jobs if job in bench.left):
        computed += bench.step().prompt
    assert computed == 100 + 3 * (100 - 96)
    assert [job.cached for job in jobs] == [0, 96, 96, 96]
    bench.run()


def test_the_last_token_is_computed_even_if_all_is_known() -> None:
    bench = Bench()
    bench.add(tokens(64), 1)
    bench.run()
    again = bench.add(tokens(64), 1)
    assert bench.step().prompt == BLOCK
    assert again.cached == 64 - BLOCK


def test_what_was_generated_is_found_by_the_next_turn() -> None:
    bench = Bench()
    bench.add(tokens(60), 40)
    bench.run()
    again = bench.add(tokens(60) + [7] * 40 + tokens(10), 1)
    bench.run()
    assert again.cached == 96


def test_a_prompt_whose_logits_are_wanted_is_computed_whole() -> None:
    bench = Bench()
    bench.add(tokens(64), 1)
    bench.run()
    scored = bench.add(tokens(64), 1)
    scored.sequences[0].scores_prompt = True
    (span,) = bench.step().spans
    assert (span.count, span.rows) == (64, 64)


def test_the_youngest_makes_room_and_is_computed_again() -> None:
    bench = Bench(blocks=6)
    old = bench.add(tokens(40), 60)
    young = bench.add(tokens(40, 500), 60)
    while not young.preempted:
        bench.step()
    assert bench.scheduler.running == [old]
    assert young.sequences[0].blocks == []
    made = len(young.sequences[0].tokens)
    assert made > 40
    bench.run()
    assert len(young.sequences[0].tokens) == 100
    assert bench.cache.used == 0


def test_nobody_overtakes_one_that_was_preempted() -> None:
    bench = Bench(blocks=6)
    bench.add(tokens(40), 60)
    young = bench.add(tokens(40, 500), 60)
    while not young.preempted:
        bench.step()
    late = bench.add(tokens(5, 900), 2)
    while young in bench.scheduler.waiting:
        assert late in bench.scheduler.waiting
        bench.step()


def test_drafts_take_only_what_is_free() -> None:
    bench = Bench(blocks=2)
    job = bench.add(tokens(60), 4, drafts=0)
    bench.step()
    job.sequences[0].drafts = [7] * 10  # 61 tokens: there is room for 3 more
    (span,) = bench.step().spans
    assert span.count == 1 + 3


def test_a_slow_piece_is_made_up_for() -> None:
    pace = Pace(2.0)
    for _ in range(5):
        pace.note(0.01, 4, 0)
    assert pace.budget() == PIECE
    pace.note(0.05, 4, PIECE)
    waits = 0
    while not pace.budget():
        pace.note(0.01, 4, 0)
        waits += 1
    assert waits == 3  # (0.05 + 3 * 0.01) / 4 is twice 0.01


def test_pieces_fit_what_a_step_may_take() -> None:
    pace = Pace(2.5)
    for _ in range(5):
        pace.note(0.02, 4, 0)
    for _ in range(20):
        pace.note(0.02 + 0.0002 * 64, 4, 64)
    assert pace.budget() == 0.03 / 0.0002 // PIECE * PIECE


def test_nothing_is_known_before_the_first_step_without_a_prompt() -> None:
    pace = Pace(2.5)
    pace.note(0.5, 0, 100)
    assert pace.budget() == 0


@pytest.mark.parametrize("blocks", [16, 40])
def test_a_crowd_in_a_small_cache_finishes_whole(blocks: int) -> None:
    bench = Bench(blocks=blocks, most=16)
    jobs = [bench.add(tokens(30 + 10 * n, 1000 * n), 150, key=str(n % 3)) for n in range(20)]
    bench.run()
    assert all(len(job.sequences[0].tokens) == 180 + 10 * n for n, job in enumerate(jobs))
    assert bench.cache.used == 0
    assert bench.scheduler.preemptions > 0


class SchedulerMachine(RuleBasedStateMachine):
    """Arrivals of prompts that share beginnings, cancellations and steps, in any order."""

    BLOCKS = 12

    def __init__(self) -> None:
        super().__init__()
        self.bench = Bench(blocks=self.BLOCKS, most=5, tokens=64)

    @rule(
        shared=st.integers(0, 100),
        own=st.integers(1, 100),
        new=st.integers(1, 150),
        key=st.sampled_from("ab"),
    )
    def arrive(self, shared: int, own: int, new: int, key: str) -> None:
        prompt = [1] * shared + [2] * own
        self.bench.add(prompt, new, key)

    @precondition(lambda self: self.bench.left)
    @rule(which=st.integers(0, 50))
    def cancel(self, which: int) -> None:
        self.bench.end(list(self.bench.left)[which % len(self.bench.left)])

    @precondition(lambda self: self.bench.left)
    @rule(times=st.integers(1, 30))
    def step(self, times: int) -> None:
        for _ in range(times):
            if self.bench.left:
                assert self.bench.step().spans

    @invariant()
    def blocks_hold_what_their_sequences_say(self) -> None:
        """A block of two sequences holds the same beginning of both."""
        holds: dict[int, tuple[int, ...]] = {}
        for job in self.bench.scheduler.running:
            sequence = job.sequences[0]
            assert len(sequence.blocks) >= blocks_for(sequence.computed)
            for index, block in enumerate(sequence.blocks):
                beginning = tuple(sequence.tokens[: (index + 1) * BLOCK])
                assert holds.setdefault(block, beginning) == beginning
        assert len(holds) == self.bench.cache.used

    @invariant()
    def those_that_wait_hold_nothing(self) -> None:
        assert all(not job.sequences[0].blocks for job in self.bench.scheduler.waiting)

    def teardown(self) -> None:
        self.bench.run()
        assert self.bench.cache.available == self.BLOCKS
        assert not self.bench.scheduler.running
        assert not self.bench.scheduler.waiting


TestScheduler = SchedulerMachine.TestCase
TestScheduler.settings = settings(max_examples=150, stateful_step_count=30, deadline=None)
