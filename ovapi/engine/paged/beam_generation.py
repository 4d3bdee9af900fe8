"""BeamGeneration: a request that searches with beams, from logits to the events at its end."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ovapi.core import Event
from ovapi.engine.paged.beams import BeamSearcher, Candidate
from ovapi.engine.paged.cache.prefix_cache import PrefixCache
from ovapi.engine.paged.generation import Generation, Part
from ovapi.engine.paged.group import SequenceGroup
from ovapi.engine.paged.sampling.logprobs import Logprobs
from ovapi.engine.paged.sampling.sampler import NoToken
from ovapi.engine.paged.sequence import Sequence as TokenSequence
from ovapi.engine.text.input_processor import InputProcessor


@dataclass(slots=True, eq=False)
class BeamSequences(SequenceGroup):
    """Sequences of beams. Nothing was given to the client, so they may begin anew at the prompt."""

    prompt_tokens: int = 0

    def rewind(self) -> None:
        first = self.sequences[0]
        self.sequences = [TokenSequence(first.tokens[: self.prompt_tokens], first.root)]


@dataclass(slots=True, eq=False, kw_only=True)
class BeamGeneration(Generation):
    """`searcher` None: the prompt is not computed yet."""

    input_processor: InputProcessor
    cache: PrefixCache
    ends: set[int]
    searcher: BeamSearcher | None = None

    @property
    def ended(self) -> bool:
        return self.searcher is not None and self.searcher.done

    def take(self, parts: Sequence[Part]) -> list[Event]:
        """One token more for each beam; the events of the results when all are done."""
        sequence, rows = parts[0][0].sequence, parts[0][1]
        if sequence.scores_prompt:
            self._score(sequence.computed, rows)
            parts = [(parts[0][0], rows[-1:])]
        if sequence.left:
            return []
        if len(sequence.tokens) == len(self.prepared.ids):
            self.searcher = self._searcher()  # for the first time, or again after a preemption
        assert self.searcher is not None
        found = [self._logprobs(rows[-1]) for _, rows in parts]
        sequences = [span.sequence for span, _ in parts]
        by_group = list(self._of_groups(self.searcher, list(range(len(parts)))))
        going = self.searcher.advance([[found[at] for at in one] for one in by_group])
        self._replace(sequences, by_group, going)
        return self._results(self.searcher) if self.searcher.done else []

    def _searcher(self) -> BeamSearcher:
        beams = self.prepared.request.sampling.beams
        assert beams is not None
        return BeamSearcher(beams, self.prepared.ids, self.ends, max(1, self.prepared.limit))

    def _of_groups(self, searcher: BeamSearcher, rows: list[int]) -> Iterator[list[int]]:
        """Which rows are of which group; the prompt's only row is of all."""
        at = 0
        for group in searcher.groups:
            if group.done:
                continue
            if len(rows) == 1 and not group.live[0].tokens:
                yield rows
            else:
                yield rows[at : at + len(group.live)]
                at += len(group.live)

    def _logprobs(self, row: NDArray[np.float32]) -> NDArray[np.float64]:
        """After bias and forbidden ends. Raises NoToken."""
        values = self.sampler.adapted(row).astype(np.float64)
        largest = values.max()
        if not np.isfinite(largest):
            raise NoToken("The model's output for this request is not a number.")
        values -= largest
        values -= np.log(np.exp(values).sum())
        return values

    def _replace(
        self,
        parents: list[TokenSequence],
        by_group: list[list[int]],
        going: list[list[Candidate]],
    ) -> None:
        """Have the sequences be those of the beams that go on. Sharing is undone when written."""
        children: list[TokenSequence] = []
        for rows, candidates in zip(by_group, going, strict=True):
            for candidate in candidates:
                child = parents[rows[candidate.parent]].fork()
                for block in child.blocks:
                    self.cache.share(block)
                child.extend([candidate.beam.tokens[-1]])
                children.append(child)
        for parent in parents:
            self.cache.release(parent.blocks)
        self.group.sequences = children
        self.sampler.position += 1

    def _results(self, searcher: BeamSearcher) -> list[Event]:
        events: list[Event] = []
        for index, beam in enumerate(searcher.results()):
            self.output = self.input_processor.output_processor(self.prepared, index)
            events += self._echo()
            logprobs = [Logprobs(one) for one in beam.logprobs]
            taken = self.output.take(list(beam.tokens), list(beam.logprobs), "length")
            events += [self._completed(event, logprobs) for event in taken]
        return events
