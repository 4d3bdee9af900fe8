"""RunningRequest: a request inside the pipeline, and the events of what the pipeline gives it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ovapi.core import Event, FinishReason
from ovapi.engine.text.input_processor import InputProcessor, PreparedRequest
from ovapi.engine.text.output_processor import OutputProcessor

FinishReasons = Mapping[int, FinishReason | None]


def finish_reasons(genai: Any) -> FinishReasons:
    """What ends an output, by the number that openvino_genai gives it; all others are a stop.

    By number, since the binding takes a microsecond to compare two members, for every token.
    """
    reasons = genai.GenerationFinishReason
    return {reasons.NONE.value: None, reasons.LENGTH.value: "length"}


class RunningRequest:
    """`handle` is the pipeline's; `begun` once it has a token, `ended` after its last event."""

    def __init__(
        self,
        prepared: PreparedRequest,
        handle: Any,
        input_processor: InputProcessor,
        reasons: FinishReasons,
    ) -> None:
        self.prepared = prepared
        self.handle = handle
        self.begun = False
        self.ended = False
        self._input_processor = input_processor
        self._output_processor = input_processor.output_processor(prepared)
        self._reasons = reasons
        self._echoed = bool(prepared.given)

    @property
    def id(self) -> str:
        return self.prepared.request.id

    def read(self) -> list[Event]:
        """What the last steps made. Only while the handle can be read, else it blocks for ever."""
        outputs = self.handle.read()
        self.begun = True
        if self.prepared.request.sampling.beams is None:
            return self._take(next(iter(outputs.values())))
        return self._take_beams(outputs.values())

    def _take(self, output: Any) -> list[Event]:
        events: list[Event] = []
        ids: list[int] = output.generated_ids
        logprobs: list[float] = output.generated_log_probs
        if not self._echoed:
            events += self._echo(self._output_processor)
            self._echoed = True
        events += self._output_processor.take(ids, logprobs, self._reason(output))
        self.ended = self._output_processor.ended
        return events

    def _take_beams(self, outputs: Iterable[Any]) -> list[Event]:
        """All beams come at once, at the end, in no order and more than were asked for."""
        events: list[Event] = []
        beams = self.prepared.request.sampling.beams
        assert beams is not None
        best = sorted(outputs, key=lambda output: output.score, reverse=True)[: beams.results]
        for index, output in enumerate(best):
            output_processor = self._input_processor.output_processor(self.prepared, index)
            ids, logprobs = output.generated_ids, output.generated_log_probs
            events += self._echo(output_processor)
            events += output_processor.take(ids, logprobs, self._reason(output) or "length")
        self.ended = True
        return events

    def _echo(self, output_processor: OutputProcessor) -> list[Event]:
        """The prompt, where the request wants it back."""
        prepared = self.prepared
        if not prepared.request.echo:
            return []
        return [output_processor.echo(prepared.echo, prepared.ids)]

    def _reason(self, output: Any) -> FinishReason | None:
        reason: int = output.finish_reason.value
        return self._reasons.get(reason, "stop")
