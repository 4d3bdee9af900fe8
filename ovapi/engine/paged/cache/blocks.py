"""BlockPool: which blocks of the KV cache are free, and how many sequences share each."""

from __future__ import annotations


class BlockPool:
    """`size` blocks, numbered from 0. A block in use has one or more references."""

    def __init__(self, size: int) -> None:
        self.size = size
        self._references = [0] * size
        self._free = list(range(size - 1, -1, -1))

    @property
    def free(self) -> int:
        return len(self._free)

    def references(self, block: int) -> int:
        return self._references[block]

    def take(self) -> int:
        """A free block, with one reference. There must be one."""
        block = self._free.pop()
        assert self._references[block] == 0
        self._references[block] = 1
        return block

    def share(self, block: int) -> None:
        """One reference more; also to a block without any that was not given back."""
        self._references[block] += 1

    def drop(self, block: int) -> bool:
        """One reference less; true if it was the last. The block is not free before `give_back`."""
        assert self._references[block] > 0
        self._references[block] -= 1
        return self._references[block] == 0

    def give_back(self, block: int) -> None:
        """What the block holds is of no use any more."""
        assert self._references[block] == 0
        self._free.append(block)
