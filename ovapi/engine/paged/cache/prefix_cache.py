"""PrefixCache: blocks of the KV cache, found again by the tokens that led to them.

A whole block is known by a digest of its tokens and of the digest of the block before it, so equal
digests mean equal keys and values. The first of a chain is the digest of what else decides on
them: the adapter's name, and a salt where clients must not profit from each other.
"""

from __future__ import annotations

from array import array
from collections import OrderedDict
from collections.abc import Sequence
from hashlib import blake2b

from ovapi.engine.paged.cache.blocks import BlockPool

_DIGEST_BYTES = 16


def chain_root(adapter: str = "", salt: str = "") -> bytes:
    """What a chain of digests begins with."""
    name = adapter.encode()
    return _digest(len(name).to_bytes(4, "little") + name + salt.encode())


def chain(parent: bytes, tokens: Sequence[int]) -> bytes:
    """The digest of a block of these tokens after the block of digest `parent`."""
    return _digest(parent + array("q", tokens).tobytes())


def _digest(data: bytes) -> bytes:
    return blake2b(data, digest_size=_DIGEST_BYTES).digest()


class PrefixCache:
    """Hands out the blocks of a pool. A block that nobody uses stays known until it is needed.

    The least recently used one goes first.
    """

    def __init__(self, pool: BlockPool, enabled: bool = True) -> None:
        self.queries = 0
        self.hits = 0
        self._pool = pool
        self.enabled = enabled
        self._blocks: dict[bytes, int] = {}
        self._digests: dict[int, bytes] = {}
        self._idle: OrderedDict[int, None] = OrderedDict()

    @property
    def size(self) -> int:
        return self._pool.size

    @property
    def available(self) -> int:
        """Blocks that `take` can give: free ones and those that are only remembered."""
        return self._pool.free + len(self._idle)

    @property
    def used(self) -> int:
        """Blocks that sequences use now."""
        return self._pool.size - self.available

    def is_shared(self, block: int) -> bool:
        """Whether writing to the block would change what others read."""
        return self._pool.references(block) > 1

    def is_idle(self, block: int) -> bool:
        """Whether the block is remembered, and used by nobody."""
        return block in self._idle

    def take(self) -> int:
        """A block to write to. `available` must not be 0."""
        if not self._pool.free:
            self._evict()
        return self._pool.take()

    def _evict(self) -> None:
        block, _ = self._idle.popitem(last=False)
        del self._blocks[self._digests.pop(block)]
        self._pool.give_back(block)

    def find(self, digests: Sequence[bytes]) -> list[int]:
        """The blocks of the longest known beginning of a chain; `share` them to keep them."""
        found = []
        for digest in digests:
            block = self._blocks.get(digest)
            if block is None:
                break
            found.append(block)
        return found

    def count(self, queried: int, hit: int) -> None:
        """Keep statistics, in tokens."""
        self.queries += queried
        self.hits += hit

    def share(self, block: int) -> None:
        self._idle.pop(block, None)
        self._pool.share(block)

    def release(self, blocks: Sequence[int]) -> None:
        """A sequence has done with its blocks. Later ones of a chain are forgotten first."""
        for block in reversed(blocks):
            if self._pool.drop(block):
                self._retire(block)

    def _retire(self, block: int) -> None:
        if block in self._digests:
            self._idle[block] = None
        else:
            self._pool.give_back(block)

    def remember(self, block: int, digest: bytes) -> None:
        """The whole block is computed: others may use it. The first of equal blocks is kept."""
        if self.enabled and digest not in self._blocks and block not in self._digests:
            self._blocks[digest] = block
            self._digests[block] = digest

    def forget(self) -> None:
        """What the blocks hold is not to be trusted any more."""
        for block in self._idle:
            self._pool.give_back(block)
        self._idle.clear()
        self._blocks.clear()
        self._digests.clear()
