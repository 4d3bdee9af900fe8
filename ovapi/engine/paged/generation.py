"""Generation: a request from its logits to its events."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from ovapi.core import Delta, Event, Finished, TokenLogprob
from ovapi.engine.paged.drafting.lookup import PromptLookup
from ovapi.engine.paged.group import SequenceGroup, Span
from ovapi.engine.paged.sampling.logprobs import Logprobs, row_logprobs
from ovapi.engine.paged.sampling.sampler import Sampler
from ovapi.engine.text.detokenizer import TokenTable
from ovapi.engine.text.input_processor import PreparedRequest
from ovapi.engine.text.output_processor import OutputProcessor

Rows = NDArray[np.float32]
Part = tuple[Span, Rows]
"""A span that is computed, and the logits of its last rows."""


@dataclass(slots=True, eq=False)
class Generation:
    """`scores` are those of the prompt's tokens, by position, while they are wanted.

    With a `lookup`, drafts are made before each step; without, tokens come one at a time. A draft
    token is accepted if it is the very one that is picked in its place, so drafts change nothing.
    """

    prepared: PreparedRequest
    group: SequenceGroup
    output: OutputProcessor
    sampler: Sampler
    table: TokenTable
    lookup: PromptLookup | None = None
    scores: dict[int, Logprobs] = field(default_factory=dict)

    @property
    def ended(self) -> bool:
        return self.output.ended

    @property
    def room(self) -> int:
        """How many draft tokens may follow the next token; 0 if it does not decode."""
        sequence = self.group.sequences[0]
        if self.group.width > 1 or not sequence.decodes:
            return 0
        return self.prepared.limit - (len(sequence.tokens) - len(self.prepared.ids)) - 1

    def draft(self) -> None:
        """Propose the tokens after the next one, by prompt lookup."""
        if self.lookup is not None and self.room > 0:
            sequence = self.group.sequences[0]
            sequence.drafts = self.lookup.propose(sequence.tokens, self.room)

    def take(self, parts: Sequence[Part]) -> list[Event]:
        """What comes of the logits of its only span. Raises NoToken."""
        ((span, rows),) = parts
        sequence = span.sequence
        if sequence.scores_prompt:
            self._score(sequence.computed, rows)
            rows = rows[-1:]
        if sequence.left:
            return []  # there is more of the prompt
        echo = self._echo() if len(sequence.tokens) == len(self.prepared.ids) else []
        sequence.scores_prompt = False
        tokens, logprobs = self._pick(rows, sequence.drafts)
        if self.lookup is not None and sequence.drafts:
            self.lookup.learn(len(tokens) - 1)
        sequence.extend(tokens)
        taken = self.output.take(tokens, [one.logprob for one in logprobs])
        return echo + [self._completed(event, logprobs) for event in taken]

    def _pick(self, rows: Rows, drafts: Sequence[int]) -> tuple[list[int], list[Logprobs]]:
        """A token from each row, up to the first that is not as drafted."""
        params = self.prepared.request.sampling
        tokens: list[int] = []
        logprobs: list[Logprobs] = []
        for row, draft in zip(rows, [*drafts, None], strict=True):
            tokens.append(self.sampler.pick(row))
            self.sampler.accept(tokens[-1])
            if params.logprobs:
                logprobs.append(row_logprobs(row, tokens[-1], params.top_logprobs))
            if tokens[-1] != draft:
                break
        return tokens, logprobs

    def _score(self, computed: int, rows: Rows) -> None:
        """The rows are those of the prompt's tokens before `computed`; each tells of the next."""
        ids, top = self.prepared.ids, self.prepared.request.sampling.top_logprobs
        for at, row in enumerate(rows, computed - len(rows) + 1):
            if at < len(ids):
                self.scores[at] = row_logprobs(row, ids[at], top)

    def _echo(self) -> list[Event]:
        """The prompt, which comes before the first token."""
        prepared = self.prepared
        if not prepared.request.echo:
            return []
        known = [self.scores[at] for at in sorted(self.scores)]
        delta = self.output.echo(prepared.echo, prepared.ids, [one.logprob for one in known])
        return [self._completed(delta, [Logprobs(0.0), *known])]

    def _completed(self, event: Event, logprobs: Sequence[Logprobs]) -> Event:
        """The event with what only this engine knows."""
        if isinstance(event, Delta) and event.logprobs:
            shown = zip(event.logprobs, logprobs, strict=False)
            return replace(event, logprobs=tuple(self._with_top(*pair) for pair in shown))
        if isinstance(event, Finished):
            cached = min(self.group.cached or 0, event.usage.prompt_tokens)
            return replace(event, usage=replace(event.usage, cached_tokens=cached))
        return event

    def _with_top(self, shown: TokenLogprob, found: Logprobs) -> TokenLogprob:
        return replace(shown, top=tuple(self._named(*pair) for pair in found.top))

    def _named(self, token: int, logprob: float) -> TokenLogprob:
        piece = self.table.piece(token)
        return TokenLogprob(piece.decode("utf-8", "replace"), logprob, piece)
