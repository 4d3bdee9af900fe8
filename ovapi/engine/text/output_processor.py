"""OutputProcessor: one choice in the making, from token ids to events. Every engine uses it."""

from __future__ import annotations

from collections.abc import Sequence

from ovapi.core import Delta, Event, Finished, FinishReason, SamplingParams, TokenLogprob, Usage
from ovapi.engine.text.detokenizer import TokenTable
from ovapi.engine.text.stop_matcher import StopMatcher


class OutputProcessor:
    """Takes a choice's tokens as they come and tells when it is complete.

    `limit` is the number of tokens wanted; 0 takes the prompt's log-probabilities only. Stop
    tokens and stop strings are found here and not in the pipeline, so that both engines stop
    alike; after the end nothing more may be taken.
    """

    def __init__(
        self,
        params: SamplingParams,
        table: TokenTable,
        eos_ids: frozenset[int],
        prompt_tokens: int,
        limit: int,
        index: int = 0,
    ) -> None:
        self.ended = False
        self._params = params
        self._table = table
        self._stop_ids = frozenset(params.stop_token_ids)
        if not params.ignore_eos:
            self._stop_ids |= eos_ids
        self._prompt_tokens = prompt_tokens
        self._limit = limit
        self._index = index
        self._count = 0
        self._detokenizer = table.detokenizer(params.skip_special_tokens)
        self._matcher = StopMatcher(params.stop, params.include_stop)

    def take(
        self,
        ids: Sequence[int],
        logprobs: Sequence[float] = (),
        reason: FinishReason | None = None,
    ) -> list[Event]:
        """The events of the next tokens; `reason` says that the pipeline has ended with them.

        Every token that counts has its log-probability, an end token without text too.
        """
        assert not self.ended
        ids = ids[: self._limit - self._count]
        text, taken, stop = self._consume(ids)
        if stop is not None:
            reason = "stop"
        elif self._count >= self._limit:
            reason = reason or "length"
        if reason is not None:
            text += self._flush(stop)
        ids = tuple(ids[:taken])
        delta = Delta(text, ids, self._logprobs(ids, logprobs), index=self._index)
        events: list[Event] = [delta] if taken or text else []
        return events if reason is None else [*events, self._finished(reason, stop)]

    def _consume(self, ids: Sequence[int]) -> tuple[str, int, str | int | None]:
        """Text, the number of tokens used, and the stop string or token id that was met."""
        text = ""
        for taken, token in enumerate(ids, 1):
            self._count += 1
            may_stop = self._count > self._params.min_tokens
            if may_stop and token in self._stop_ids:
                if self._params.include_stop:
                    text += self._matcher.flush() + self._detokenizer.push(token)
                return text, taken, token
            new = self._detokenizer.push(token)
            if not may_stop:
                text += new
                continue
            text += self._matcher.push(new)
            if self._matcher.match is not None:
                return text, taken, self._matcher.match
        return text, len(ids), None

    def _flush(self, stop: str | int | None) -> str:
        """The text still held back at the end; nothing may follow a stop string."""
        if isinstance(stop, str):
            return ""
        text = self._matcher.push(self._detokenizer.flush())
        return text + self._matcher.flush()

    def _logprobs(self, ids: Sequence[int], logprobs: Sequence[float]) -> tuple[TokenLogprob, ...]:
        if not self._params.logprobs:
            return ()
        return tuple(map(self._logprob, ids, logprobs))

    def _logprob(self, token: int, logprob: float | None) -> TokenLogprob:
        piece = self._table.piece(token)
        return TokenLogprob(piece.decode("utf-8", "replace"), logprob, piece)

    def _finished(self, reason: FinishReason, stop: str | int | None) -> Finished:
        self.ended = True
        usage = Usage(self._prompt_tokens, self._count)
        return Finished(reason, usage, self._index, None if stop in self._hidden() else stop)

    def _hidden(self) -> frozenset[int]:
        """The model's own end is no stop that the client asked for."""
        return self._stop_ids - frozenset(self._params.stop_token_ids)

    def echo(self, text: str, ids: Sequence[int], logprobs: Sequence[float] = ()) -> Delta:
        """The prompt, as the first text of the answer.

        `logprobs` are those of all tokens but the first, which has none.
        """
        shown = tuple(map(self._logprob, ids, [None, *logprobs])) if self._params.logprobs else ()
        return Delta(text, (), shown, index=self._index)
