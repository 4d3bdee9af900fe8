"""The layers of a model that an adapter can change, read from its openvino_model.xml."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from xml.etree.ElementTree import Element, ParseError, iterparse

from ovapi.engine.load_error import LoadError


@dataclass(frozen=True, slots=True)
class Layer:
    """A product with a matrix of fixed size: its name in the model, and the sizes of vectors."""

    name: str
    inputs: int
    outputs: int


def read_layers(folder: Path) -> list[Layer]:
    """The matrix products of the model in the folder. Raises LoadError."""
    found = []
    try:
        for _, element in iterparse(folder / "openvino_model.xml"):
            if element.tag == "layer":
                if element.get("type") == "MatMul" and (layer := _layer(element)) is not None:
                    found.append(layer)
                element.clear()
    except (OSError, ParseError):
        raise LoadError("openvino_model.xml cannot be read") from None
    return found


def _layer(element: Element) -> Layer | None:
    """None for products of two activations, whose sizes are not fixed."""
    sizes = [int(dim.text or -1) for dim in element.findall("./input/port[@id='1']/dim")]
    if len(sizes) != 2 or min(sizes) < 1:
        return None
    data = element.find("data")
    if data is not None and data.get("transpose_b") == "true":
        sizes.reverse()
    return Layer(element.get("name", ""), inputs=sizes[0], outputs=sizes[1])
