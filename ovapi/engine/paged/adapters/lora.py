"""LoRA by row: the rows of a batch go through different adapters, or through none.

To each adapted product of the model, y = x W, the graph adds ((x A) · s) B. A and B hold the
matrices of all adapters side by side, and s, for each row, is an adapter's strength in the columns
of its own and zero in the others.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ovapi.config.engine_options import AdapterConfig
from ovapi.engine.genai.lora import FILE, check, scaling
from ovapi.engine.paged.adapters.adapter_file import Matrix, read_matrices
from ovapi.engine.paged.group import Span

STRENGTHS = "lora_strengths"
_A, _B = "lora_a.", "lora_b."


@dataclass(frozen=True, slots=True)
class Adapter:
    """For each layer A [rank, inputs] and B [outputs, rank]; `strength` is what PEFT scales by."""

    pairs: Mapping[str, tuple[Matrix, Matrix]]
    strength: float

    @classmethod
    def read(cls, config: AdapterConfig, model: Path) -> Adapter:
        """Raises LoadError unless it is whole and fits the model in the folder."""
        file = config.path / FILE if config.path.is_dir() else config.path
        check(file, model)
        return cls(read_matrices(file), config.alpha * scaling(file))

    @property
    def rank(self) -> int:
        """The largest of its layers'."""
        return max(len(a) for a, _ in self.pairs.values())

    def pair_for(self, product: str) -> tuple[Matrix, Matrix] | None:
        """Of the layer that a product of the graph belongs to."""
        return next((pair for layer, pair in self.pairs.items() if layer in product), None)


def add_inputs(model: Any, adapters: Sequence[Adapter]) -> None:
    """Let the graph take adapters' matrices, at the products that any of these changes."""
    from openvino import Type
    from openvino import opset13 as ops

    strengths = _parameter(STRENGTHS, [-1, 1, -1], Type.f32)
    added = [strengths]
    for product in _products(model, adapters):
        name = product.get_friendly_name()
        x, y = product.input_value(0), product.output(0)
        a = _parameter(_A + name, [-1, x.partial_shape[-1].get_length()], Type.f32)
        b = _parameter(_B + name, [y.partial_shape[-1].get_length(), -1], Type.f32)
        consumers = list(y.get_target_inputs())
        inner = ops.multiply(ops.matmul(x, a, False, True), strengths)
        total = ops.add(product, ops.matmul(inner, b, False, True))
        for consumer in consumers:
            consumer.replace_source_output(total.output(0))
        added += [a, b]
    model.add_parameters(added)
    model.validate_nodes_and_infer_types()


def _products(model: Any, adapters: Sequence[Adapter]) -> list[Any]:
    return [
        node
        for node in model.get_ordered_ops()
        if node.get_type_name() == "MatMul"
        and any(adapter.pair_for(node.get_friendly_name()) for adapter in adapters)
    ]


def _parameter(name: str, shape: list[int], kind: Any) -> Any:
    from openvino import opset13 as ops

    parameter = ops.parameter(shape, kind, name=name)
    parameter.output(0).set_names({name})
    return parameter


class AdapterBank:
    """The adapters of one model, by name, and what the graph's inputs get for a batch.

    `inputs` are the shapes of the graph's A and B by name, -1 where the ranks go.
    """

    def __init__(
        self, adapters: Mapping[str, Adapter], inputs: Mapping[str, Sequence[int]]
    ) -> None:
        self._columns: dict[str, tuple[int, int, float]] = {}
        self.rank = 0
        for name, adapter in adapters.items():
            end = self.rank + adapter.rank
            self._columns[name] = (self.rank, end, adapter.strength)
            self.rank = end
        self.matrices = {
            name: self._matrix(name, shape, adapters) for name, shape in inputs.items()
        }

    def _matrix(self, name: str, shape: Sequence[int], adapters: Mapping[str, Adapter]) -> Matrix:
        """One A or B, of all adapters; zero where one does not change the product."""
        half = int(name.startswith(_B))
        matrix = np.zeros([self.rank if size < 0 else size for size in shape], np.float32)
        for key, adapter in adapters.items():
            pair = adapter.pair_for(name)
            if pair is not None:
                start, _, _ = self._columns[key]
                own = pair[half]
                if half:
                    matrix[:, start : start + own.shape[1]] = own
                else:
                    matrix[start : start + own.shape[0]] = own
        return matrix

    def wanted(self, spans: Sequence[Span]) -> bool:
        """Whether any row of a batch goes through an adapter."""
        return any(span.sequence.adapter in self._columns for span in spans)

    def without_rank(self, name: str) -> Matrix:
        """What stands for a matrix where no adapter is used."""
        matrix = self.matrices[name]
        return np.zeros(
            [matrix.shape[0], 0] if name.startswith(_B) else [0, matrix.shape[1]], np.float32
        )

    def strengths(self, spans: Sequence[Span], wanted: bool) -> Matrix:
        """For each row of a batch, [N, 1, rank]; with a rank of 0 if no adapter is wanted."""
        count = sum(span.count for span in spans)
        rows = np.zeros((count, 1, self.rank if wanted else 0), np.float32)
        for first, span in _numbered(spans):
            if span.sequence.adapter in self._columns:
                start, end, strength = self._columns[span.sequence.adapter]
                rows[first : first + span.count, 0, start:end] = strength
        return rows


def _numbered(spans: Sequence[Span]) -> Iterator[tuple[int, Span]]:
    """Spans with the number of their first row."""
    row = 0
    for span in spans:
        yield row, span
        row += span.count


def is_matrix(name: str) -> bool:
    """Whether an input of that name takes an adapter's matrices."""
    return name.startswith((_A, _B))
