"""PromptLookup: draft tokens from what followed the same n-gram earlier in the text."""

from __future__ import annotations

from collections.abc import Sequence


class PromptLookup:
    """Of one growing sequence. Drafts have `most` tokens, fewer after some were rejected."""

    def __init__(self, ngram: int, most: int) -> None:
        self._ngram = ngram
        self._most = most
        self._count = most
        self._next: dict[tuple[int, ...], int] = {}  # the position after the last such n-gram
        self._indexed = ngram

    def propose(self, tokens: Sequence[int], room: int) -> list[int]:
        """Tokens that may come next, at most `room`; none if the last n-gram is new."""
        size = self._ngram
        for position in range(self._indexed, len(tokens)):
            self._next[tuple(tokens[position - size : position])] = position
        self._indexed = max(self._indexed, len(tokens))
        at = self._next.get(tuple(tokens[-size:]))
        return [] if at is None else list(tokens[at : at + min(self._count, room)])

    def learn(self, accepted: int) -> None:
        """So many draft tokens were right: the next draft may have twice as many, and one."""
        self._count = min(self._most, 2 * accepted + 1)
