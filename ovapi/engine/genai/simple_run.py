"""One run of an LLMPipeline: a prepared request, with its events as they come."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ovapi.core import Event
from ovapi.engine.genai import generation_config as sampling
from ovapi.engine.text.input_processor import InputProcessor, PreparedRequest

Emit = Callable[[Sequence[Event]], None]


def run(
    pipeline: Any,
    input_processor: InputProcessor,
    prepared: PreparedRequest,
    emit: Emit,
    cancelled: Callable[[], bool],
) -> None:
    """Generate, in the caller's thread, until the end or `cancelled`. Raises what OpenVINO does.

    The streamer is called in a thread of the pipeline's own, which swallows its exceptions: they
    are kept and raised here.
    """
    import numpy
    import openvino
    import openvino_genai as genai

    params = prepared.request.sampling
    output_processor = input_processor.output_processor(prepared)
    config = sampling.make_config(genai, params, input_processor.eos_ids, prepared.limit)
    failures: list[BaseException] = []

    class Streamer(genai.StreamerBase):  # type: ignore[misc]
        def write(self, token: int | list[int]) -> Any:
            try:
                return self._take([token] if isinstance(token, int) else list(token))
            except BaseException as error:  # noqa: BLE001 it would vanish in the pipeline
                failures.append(error)
                return genai.StreamingStatus.CANCEL

        def _take(self, ids: list[int]) -> Any:
            if cancelled() or output_processor.ended:
                return genai.StreamingStatus.CANCEL
            emit(output_processor.take(ids))
            if output_processor.ended:
                return genai.StreamingStatus.CANCEL
            return genai.StreamingStatus.RUNNING

        def end(self) -> None:
            """`run` itself closes the generation."""

    if prepared.request.echo:
        emit([output_processor.echo(prepared.echo, prepared.ids)])
    ids = openvino.Tensor(numpy.array([prepared.ids], dtype=numpy.int64))
    pipeline.generate(ids, config, Streamer())
    if failures:
        raise failures[0]
    if not output_processor.ended and not cancelled():
        emit(output_processor.take((), reason="length"))
