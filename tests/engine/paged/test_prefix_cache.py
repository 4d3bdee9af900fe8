"""Blocks and the prefix cache: whatever happens, none is leaked and none is shared wrongly."""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from ovapi.engine.paged.cache.blocks import BlockPool
from ovapi.engine.paged.cache.prefix_cache import PrefixCache, chain, chain_root


def test_chains_tell_tokens_order_adapter_and_salt_apart() -> None:
    roots = {
        chain_root(),
        chain_root("pirate"),
        chain_root("", "pirate"),
        chain_root("pi", "rate"),
    }
    digests = {chain(root, tokens) for root in roots for tokens in ([1, 2], [2, 1], [1], [1, 2, 0])}
    assert len(digests) == 4 * 4
    assert chain(chain_root("a"), [1, 2]) == chain(chain_root("a"), [1, 2])


def remembered(cache: PrefixCache, *names: bytes) -> list[int]:
    blocks = [cache.take() for _ in names]
    for block, name in zip(blocks, names, strict=True):
        cache.remember(block, name)
    return blocks


def test_the_least_recently_used_goes_first_and_of_a_chain_its_end() -> None:
    cache = PrefixCache(BlockPool(4))
    old = remembered(cache, b"a", b"b")
    new = remembered(cache, b"c", b"d")
    cache.release(old)
    cache.release(new)
    assert cache.available == 4
    cache.take()
    assert cache.find([b"a"]) == old[:1]
    assert cache.find([b"a", b"b"]) == old[:1]
    cache.share(old[0])  # used again, so "d" is the next to go, and then "c"
    cache.release(old[:1])
    cache.take()
    assert cache.find([b"c", b"d"]) == new[:1]
    cache.take()
    assert cache.find([b"c"]) == []
    assert cache.find([b"a"]) == old[:1]


def test_a_prefix_ends_at_the_first_unknown_block() -> None:
    cache = PrefixCache(BlockPool(4))
    a, b = remembered(cache, b"a", b"b")
    assert cache.find([b"a", b"x", b"b"]) == [a]
    assert cache.find([b"a", b"b", b"x"]) == [a, b]


def test_a_cache_that_is_off_finds_nothing() -> None:
    cache = PrefixCache(BlockPool(2), enabled=False)
    cache.release(remembered(cache, b"a"))
    assert cache.find([b"a"]) == []
    assert cache.available == 2


def test_what_is_forgotten_in_use_is_free_after_use() -> None:
    cache = PrefixCache(BlockPool(3))
    idle, used = remembered(cache, b"a"), remembered(cache, b"b")
    cache.release(idle)
    cache.forget()
    assert cache.find([b"a"]) == cache.find([b"b"]) == []
    assert cache.available == 2
    cache.release(used)
    assert cache.available == 3


class PrefixCacheMachine(RuleBasedStateMachine):
    """Holders take, share, remember and release blocks; a model keeps what each block holds."""

    SIZE = 6

    def __init__(self) -> None:
        super().__init__()
        self.cache = PrefixCache(BlockPool(self.SIZE))
        self.holders: list[list[int]] = []
        self.content: dict[int, bytes] = {}

    @precondition(lambda self: self.cache.available > 0)
    @rule(name=st.binary(min_size=1, max_size=1), whole=st.booleans())
    def take(self, name: bytes, whole: bool) -> None:
        block = self.cache.take()
        assert all(block not in holder for holder in self.holders), "a block in use is given out"
        self.content[block] = name if whole else b""
        if whole:
            self.cache.remember(block, name)
        self.holders.append([block])

    @rule(names=st.lists(st.binary(min_size=1, max_size=1), min_size=1, max_size=3))
    def reuse(self, names: list[bytes]) -> None:
        found = self.cache.find(names)
        assert [self.content[block] for block in found] == names[: len(found)]
        for block in found:
            self.cache.share(block)
        if found:
            self.holders.append(found)

    @precondition(lambda self: self.holders)
    @rule(which=st.integers(0, 10))
    def release(self, which: int) -> None:
        self.cache.release(self.holders.pop(which % len(self.holders)))

    @rule()
    def forget(self) -> None:
        self.cache.forget()

    @invariant()
    def every_block_is_used_or_available(self) -> None:
        used = {block for holder in self.holders for block in holder}
        assert len(used) + self.cache.available == self.SIZE
        assert self.cache.used == len(used)

    @invariant()
    def blocks_of_several_holders_are_known_as_shared(self) -> None:
        for holder in self.holders:
            for block in holder:
                count = sum(one.count(block) for one in self.holders)
                assert self.cache.is_shared(block) == (count > 1)


TestPrefixCache = PrefixCacheMachine.TestCase
TestPrefixCache.settings = settings(max_examples=200, stateful_step_count=40, deadline=None)
