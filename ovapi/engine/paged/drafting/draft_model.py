"""DraftModel: a smaller model whose likeliest tokens are the drafts of the larger one.

Its cache has blocks of the same numbers, and holds the same tokens in them: so blocks are shared,
found again and given back for both at once.
"""

from __future__ import annotations

from ovapi.engine.paged.group import SequenceGroup, Span
from ovapi.engine.paged.runner import Runner
from ovapi.engine.paged.sequence import Sequence

_NOBODY = SequenceGroup("", -1, [])


class DraftModel:
    """`tokens` are drafted for each sequence, one pass for each."""

    def __init__(self, runner: Runner, tokens: int) -> None:
        self.tokens = tokens
        self._runner = runner

    def follow(self, spans: list[Span]) -> None:
        """Compute the prompts' tokens that the model is about to compute."""
        prompts = [span for span in spans if not span.sequence.decodes]
        if prompts:
            self._runner.run(
                [
                    Span(_NOBODY, _shadow(one.sequence, one.sequence.computed), one.count, 0)
                    for one in prompts
                ]
            )
        for span in prompts:
            span.sequence.draft_computed = span.sequence.computed + span.count

    def propose(self, rooms: dict[Sequence, int]) -> None:
        """Give each sequence as many drafts as there is room for. It must have the blocks."""
        shadows = {
            sequence: _shadow(sequence, sequence.draft_computed)
            for sequence, room in rooms.items()
            if room > 0
        }
        for number in range(self.tokens):
            drafting = [sequence for sequence in shadows if rooms[sequence] > number]
            if not drafting:
                return
            self._extend([shadows[sequence] for sequence in drafting])
            for sequence in drafting:
                shadow = shadows[sequence]
                sequence.draft_computed = shadow.computed
                sequence.drafts.append(shadow.tokens[-1])

    def _extend(self, shadows: list[Sequence]) -> None:
        """One token more for each."""
        logits = self._runner.run([Span(_NOBODY, shadow, shadow.left, 1) for shadow in shadows])
        for shadow, row in zip(shadows, logits, strict=True):
            shadow.compute(shadow.left)
            shadow.tokens.append(int(row.argmax()))


def _shadow(sequence: Sequence, computed: int) -> Sequence:
    """The sequence as the draft model has it: its own count of tokens, in the same blocks."""
    return Sequence(
        sequence.tokens.copy(), sequence.root, blocks=sequence.blocks, computed=computed
    )
