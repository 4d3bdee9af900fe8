"""The graph: a model as exported, made into one with paged attention and chosen rows of logits.

This is the only place that names OpenVINO's private module. Its transformation replaces the
stateful attention by one over blocks of a KV cache that the caller owns.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from ovapi.engine.load_error import LoadError

ROWS = "sampled_tokens_indices"
INPUTS = frozenset(
    {
        "input_ids",
        "position_ids",
        "past_lens",
        "subsequence_begins",
        "block_indices",
        "block_indices_begins",
        "max_context_len",
        ROWS,
    }
)
"""The names of a paged model's inputs, but for the caches of keys and values."""
CACHES = ("key_cache.", "value_cache.")
_AFTER_HEAD = frozenset({"Add", "Convert", "Divide", "Multiply", "Reshape", "Tanh", "Transpose"})
"""What may stand between the product with the lm_head and the logits: soft caps, conversions."""


class UnsupportedModel(LoadError):
    """The model, or this OpenVINO, does not go with paged attention as it is driven here."""


def read_paged(core: Any, folder: Path) -> Any:
    """The openvino.Model in the folder, transformed. Raises UnsupportedModel."""
    model = core.read_model(folder / "openvino_model.xml")
    _transform(model)
    _gather_rows(model)
    _check_inputs(model)
    return model


def _transform(model: Any) -> None:
    try:
        from openvino._offline_transformations import paged_attention_transformation
    except ImportError:
        raise UnsupportedModel("this OpenVINO has no paged_attention_transformation") from None
    try:
        paged_attention_transformation(model)
    except (RuntimeError, TypeError) as error:
        raise UnsupportedModel(f"paged attention cannot be applied: {_reason(error)}") from None


def _reason(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[-1] if lines else type(error).__name__


def _gather_rows(model: Any) -> None:
    """Have the lm_head see only the rows that the input ROWS names: prompts need no logits."""
    import numpy as np
    from openvino import Type
    from openvino import opset13 as ops

    head = _head(model)
    rows = ops.parameter([-1], Type.i64, name=ROWS)
    rows.output(0).set_names({ROWS})
    chosen = ops.gather(head.input_value(0), rows, ops.constant(np.int64(0)))
    head.input(0).replace_source_output(chosen.output(0))
    model.add_parameters([rows])
    model.validate_nodes_and_infer_types()


def _head(model: Any) -> Any:
    """The product that makes the logits."""
    if len(model.outputs) != 1:
        raise UnsupportedModel("the model has other outputs beside its logits")
    node = model.outputs[0].node.input_value(0).get_node()
    while node.get_type_name() in _AFTER_HEAD:
        node = _data_input(node)
    if node.get_type_name() != "MatMul":
        raise UnsupportedModel(f"its logits come from {node.get_type_name()}, no matrix product")
    return node


def _data_input(node: Any) -> Any:
    """The input of an element-wise operator that is no constant."""
    inputs = [value.get_node() for value in node.input_values()]
    return next((one for one in inputs if one.get_type_name() != "Constant"), inputs[0])


def _check_inputs(model: Any) -> None:
    names = {parameter.get_any_name() for parameter in model.inputs}
    unknown = sorted(name for name in names - INPUTS if not name.startswith(CACHES))
    if unknown:
        raise UnsupportedModel(f"the model has unknown inputs: {', '.join(unknown)}")
    _check_ranks(model.inputs)


def _check_ranks(inputs: Iterable[Any]) -> None:
    """Positions of several dimensions belong to models that see pictures."""
    for one in inputs:
        if one.get_any_name() == "position_ids" and len(one.partial_shape) != 1:
            raise UnsupportedModel("the model's positions have more than one dimension")
