"""Runner: the compiled model and the KV cache, one forward pass at a time."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ovapi.engine.paged.adapters.adapter_file import Matrix
from ovapi.engine.paged.adapters.lora import STRENGTHS, Adapter, AdapterBank, is_matrix
from ovapi.engine.paged.batch import Batch
from ovapi.engine.paged.graph import CACHES, UnsupportedModel
from ovapi.engine.paged.group import Span
from ovapi.engine.paged.sequence import BLOCK

Logits = NDArray[np.float32]
_INPUTS = tuple(field.name for field in fields(Batch))


class Runner:
    """A paged model compiled for a device. `allocate` makes its cache before the first pass."""

    def __init__(self, core: Any, model: Any, device: str, properties: Mapping[str, Any]) -> None:
        compiled = core.compile_model(model, device, dict(properties))
        self._compiled = compiled
        self._request = compiled.create_infer_request()
        self._ports = {port.get_any_name(): port for port in compiled.inputs}
        self._inputs = [name for name in _INPUTS if name in self._ports]
        self._shapes = {
            name: _block_shape(port)
            for name, port in self._ports.items()
            if name.startswith(CACHES)
        }
        self._caches: dict[str, Any] = {}
        self._adapters: AdapterBank | None = None
        self._adapts: bool | None = None  # whether the matrices are in; None: unknown
        self._strengths: Matrix | None = None  # of the present batch
        self._check_blocks()

    def _check_blocks(self) -> None:
        for name, shape in self._shapes.items():
            if name.startswith("value_cache.") and shape[1] != BLOCK:
                raise UnsupportedModel(f"the device has blocks of {shape[1]} tokens, not {BLOCK}")

    @property
    def block_bytes(self) -> int:
        """What a block takes, in all layers together."""
        return sum(
            math.prod(shape) * self._ports[name].element_type.bitwidth // 8
            for name, shape in self._shapes.items()
        )

    def allocate(self, blocks: int) -> None:
        """Make a cache of so many blocks. Its memory is touched as the blocks fill."""
        import openvino

        for name, shape in self._shapes.items():
            kind = self._ports[name].element_type
            self._caches[name] = openvino.Tensor(kind, openvino.Shape([blocks, *shape]))
        self.renew()

    def renew(self) -> None:
        """Forget the state of a pass that failed; the cache keeps what it holds."""
        self._request = self._compiled.create_infer_request()
        for name, cache in self._caches.items():
            self._request.set_tensor(self._ports[name], cache)
        self._adapts = None

    def use(self, adapters: Mapping[str, Adapter]) -> None:
        """Have these adapters, by name, and no others. The graph must take them."""
        shapes = {
            name: [-1 if size.is_dynamic else size.get_length() for size in port.partial_shape]
            for name, port in self._ports.items()
            if is_matrix(name)
        }
        self._adapters = AdapterBank(adapters, shapes)
        self._adapts = None

    def run(self, spans: Sequence[Span]) -> Logits:
        """Compute the tokens of the spans; the logits [rows, vocabulary], valid until the next."""
        batch = Batch.of(spans)
        for name in self._inputs:
            self._set(name, getattr(batch, name))
        if self._adapters is not None:
            self._adapt(self._adapters, spans)
        # infer() computes in this thread, which the pinned ones wait for when the machine is busy
        self._request.start_async()
        self._request.wait()
        logits = self._request.get_output_tensor(0).data
        return logits.reshape(-1, logits.shape[-1])  # type: ignore[no-any-return]

    def _adapt(self, adapters: AdapterBank, spans: Sequence[Span]) -> None:
        """Set the inputs of adapters; with a rank of 0 where no row wants any."""
        wanted = adapters.wanted(spans)
        if wanted != self._adapts:
            for name, matrix in adapters.matrices.items():
                self._set(name, matrix if wanted else adapters.without_rank(name))
            self._adapts = wanted
        self._strengths = adapters.strengths(spans, wanted)
        self._set(STRENGTHS, self._strengths)

    def _set(self, name: str, array: NDArray[Any]) -> None:
        """The request reads the array where it is: keep it until the pass is over."""
        from openvino import Tensor

        self._request.set_tensor(self._ports[name], Tensor(array, shared_memory=True))

    def copy(self, pairs: Iterable[tuple[int, int]]) -> None:
        """Copy blocks within the cache, each from the first of a pair to the second."""
        for source, target in pairs:
            for cache in self._caches.values():
                data = cache.data
                data[target] = data[source]


def _block_shape(port: Any) -> list[int]:
    """The shape of a cache without its first dimension, as the device has decided on it."""
    _, *dimensions = port.partial_shape
    if any(dimension.is_dynamic for dimension in dimensions):
        raise UnsupportedModel(f"the device does not say what {port.get_any_name()} looks like")
    return [dimension.get_length() for dimension in dimensions]
