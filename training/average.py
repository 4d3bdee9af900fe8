"""The mean of two checkpoints of one shape, where one was trained on from the other.

It tends to be better than either: what each has forgotten of late the other still knows.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import torch


def main(first: Path, second: Path, target: Path) -> None:
    """Read and write the folders' checkpoint.pt; all but the weights is taken from `second`."""
    one, other = (_read(folder) for folder in (first, second))
    weights = {name: (one["model"][name] + values) / 2 for name, values in other["model"].items()}
    target.mkdir(parents=True, exist_ok=True)
    torch.save({**other, "model": weights}, target / "checkpoint.pt")


def _read(folder: Path) -> dict[str, Any]:
    state: dict[str, Any] = torch.load(folder / "checkpoint.pt", weights_only=True)
    return state


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("first", "second", "target"):
        parser.add_argument(name, type=Path, help="a training's folder")
    arguments = parser.parse_args()
    main(arguments.first, arguments.second, arguments.target)
