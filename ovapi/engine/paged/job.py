"""Job: a request as the scheduler sees it: one sequence, or several that go on together."""

from __future__ import annotations

from dataclasses import dataclass

from ovapi.engine.paged.sequence import Sequence


@dataclass(slots=True, eq=False)
class Job:
    """`width` is the number of sequences that it may come to. `key` is whose turn it takes.

    `id` is the request's. `number` counts arrivals. `preempted`: it had to make room, and is the
    next to be let in. `cached` are the tokens of the prompt that the prefix cache had when it was
    first let in.
    """

    id: str
    number: int
    sequences: list[Sequence]
    key: str = ""
    width: int = 1
    preempted: bool = False
    cached: int | None = None

    @property
    def prefills(self) -> bool:
        """Its only sequence is not computed up to its last token yet."""
        return not self.sequences[0].decodes

    def rewind(self) -> None:
        """Its blocks are gone: it has to be computed again. Job may begin anew instead."""
        for sequence in self.sequences:
            sequence.rewind()


@dataclass(slots=True, eq=False)
class Span:
    """The next `count` tokens and drafts of a sequence; logits are wanted of its last `rows`."""

    job: Job
    sequence: Sequence
    count: int
    rows: int

    @property
    def ids(self) -> list[int]:
        start = self.sequence.computed
        known = self.sequence.tokens[start : start + self.count]
        return known + self.sequence.drafts[: self.count - len(known)]
