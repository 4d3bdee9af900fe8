"""Pipeline: one ContinuousBatchingPipeline, and another in its place if it breaks."""

from __future__ import annotations

import itertools
import logging
from collections.abc import Callable
from typing import Any

from ovapi.engine.genai import generation_config
from ovapi.engine.genai.speculation import assist
from ovapi.engine.text.input_processor import InputProcessor, PreparedRequest

log = logging.getLogger(__name__)


class Pipeline:
    """`build` makes openvino_genai's object. Requests are known by their handles; dropping the last
    reference to one stops its request."""

    def __init__(
        self, genai: Any, build: Callable[[], Any], input_processor: InputProcessor
    ) -> None:
        self.build = build
        self.settled = True
        """No cancelled request has blocks in the cache: a step frees those."""
        self._genai = genai
        self._eos_ids = input_processor.eos_ids
        self._speculation = input_processor.speculation
        self._numbers = itertools.count()
        self._running = genai.GenerationStatus.RUNNING
        self.inner = build()

    @property
    def cache_usage(self) -> float:
        """The share of the cache that the last step used, which may have been long ago."""
        return float(self.inner.get_metrics().cache_usage) / 100

    @property
    def scheduled(self) -> int:
        """How many requests the last step was of."""
        return int(self.inner.get_metrics().scheduled_requests)

    def add(self, prepared: PreparedRequest) -> Any:
        """The handle of a new request. Raises what OpenVINO does."""
        config = generation_config.make_config(
            self._genai,
            prepared.left,
            self._eos_ids,
            prepared.limit - len(prepared.given),
        )
        assist(config, self._speculation)
        return self._add([*prepared.ids, *prepared.given], config)

    def add_single(self, ids: list[int]) -> Any:
        """The handle of a request for one token."""
        config = self._genai.GenerationConfig()
        config.max_new_tokens = 1
        assist(config, self._speculation)
        return self._add(ids, config)

    def _add(self, ids: list[int], config: Any) -> Any:
        return self.inner.add_request(next(self._numbers), _tensor(ids), config)

    def cancel(self, handle: Any) -> None:
        """Take a request out, finished or not; the next step frees its blocks."""
        handle.cancel()
        self.settled = False

    def runs(self, handle: Any) -> bool:
        """False at a request's end, and when the cache is full."""
        return bool(handle.get_status() == self._running)

    def step(self) -> None:
        self.settled = True
        self.inner.step()

    def probe(self) -> bool:
        """Whether it gives a real token. Only while nothing else runs."""
        handle = self.add_single([0])
        self.inner.step()
        return bool(handle.can_read())

    def mend(self) -> None:
        """After a step that raised, with every request cancelled: clear it, or build it again."""
        self.settled = True
        if not self._works():
            log.error("pipeline broken, rebuilding it")
            self.inner = None
            self.inner = self.build()

    def _works(self) -> bool:
        """One step clears the cancelled requests; then a token must come out."""
        try:
            self.inner.step()
            return self.probe()
        except Exception as error:  # noqa: BLE001 any failure means that it does not work
            log.error("pipeline did not recover: %s", error)
            return False


def _tensor(ids: list[int]) -> Any:
    import numpy
    import openvino

    return openvino.Tensor(numpy.array([ids], dtype=numpy.int64))
