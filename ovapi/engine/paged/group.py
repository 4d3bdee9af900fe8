"""SequenceGroup: a request as the scheduler sees it, and Span: its share of a step."""

from __future__ import annotations

from dataclasses import dataclass

from ovapi.engine.paged.sequence import Sequence


@dataclass(slots=True, eq=False)
class SequenceGroup:
    """One sequence, or several that decode together, at most `width`.

    `id` is the request's, `number` counts arrivals, `key` is the API key whose turn it takes.
    `preempted`: it lost its blocks, and is the next to be admitted. `cached` are the tokens that
    the prefix cache held at its first admission. `long`: its prompt does not fit into one step.
    """

    id: str
    number: int
    sequences: list[Sequence]
    key: str = ""
    width: int = 1
    preempted: bool = False
    cached: int | None = None
    long: bool = False

    @property
    def prefills(self) -> bool:
        """Its only sequence lacks more than its last token."""
        return not self.sequences[0].decodes

    def rewind(self) -> None:
        """Its blocks are gone: it has to be computed again."""
        for sequence in self.sequences:
            sequence.rewind()


@dataclass(slots=True, eq=False)
class Span:
    """The next `count` tokens and drafts of a sequence; logits are wanted of its last `rows`."""

    group: SequenceGroup
    sequence: Sequence
    count: int
    rows: int

    @property
    def ids(self) -> list[int]:
        start = self.sequence.computed
        known = self.sequence.tokens[start : start + self.count]
        return known + self.sequence.drafts[: self.count - len(known)]
