"""Sequence: the tokens of one answer, and the blocks of the KV cache that hold them."""

from __future__ import annotations

from dataclasses import dataclass, field

from ovapi.engine.paged.cache.prefix_cache import chain

BLOCK = 32
"""Tokens of a block on the CPU."""


def blocks_for(tokens: int) -> int:
    """How many blocks so many tokens fill."""
    return -(-tokens // BLOCK)


@dataclass(slots=True, eq=False)
class Sequence:
    """`tokens` are the prompt and what was generated; the first `computed` are in the cache.

    `drafts` are guesses at the next tokens, to be computed with them. With `scores_prompt` the
    logits of the prompt's rows are wanted too, so all of it has to be computed. The prefix cache
    knows the first `remembered` blocks. `adapter` is the name of the LoRA adapter that it uses.
    A draft model has the first `draft_computed` tokens in its own cache.
    """

    tokens: list[int]
    root: bytes
    drafts: list[int] = field(default_factory=list)
    blocks: list[int] = field(default_factory=list)
    computed: int = 0
    scores_prompt: bool = False
    remembered: int = 0
    adapter: str | None = None
    draft_computed: int = 0
    _digests: list[bytes] = field(default_factory=list)

    @property
    def left(self) -> int:
        """Tokens that are not computed yet, drafts aside."""
        return len(self.tokens) - self.computed

    @property
    def decodes(self) -> bool:
        """Only its last token has to be computed, and not because nothing else ever was."""
        return self.left == 1 and self.computed > 0

    def digests(self, blocks: int) -> list[bytes]:
        """The digests of its first `blocks` blocks, each of which must be whole."""
        while len(self._digests) < blocks:
            start = len(self._digests) * BLOCK
            parent = self._digests[-1] if self._digests else self.root
            self._digests.append(chain(parent, self.tokens[start : start + BLOCK]))
        return self._digests[:blocks]

    def compute(self, count: int) -> None:
        """The next `count` tokens and drafts are in the cache; drafts do not count yet."""
        self.computed += min(count, self.left)

    def extend(self, tokens: list[int]) -> None:
        """Take the tokens that follow; all but the last were drafts, which are computed already."""
        self.tokens += tokens
        self.computed += len(tokens) - 1
        self.draft_computed = min(self.draft_computed, self.computed)
        self.drafts.clear()

    def rewind(self) -> None:
        """Nothing of it is in the cache any more."""
        self.blocks = []
        self.computed = self.remembered = self.draft_computed = 0
        self.drafts.clear()

    def fork(self) -> Sequence:
        """The same tokens in the same blocks, to go on differently. Share the blocks."""
        return Sequence(
            self.tokens.copy(),
            self.root,
            blocks=self.blocks.copy(),
            computed=self.computed,
            remembered=self.remembered,
            adapter=self.adapter,
            _digests=self._digests.copy(),
        )
