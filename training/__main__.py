"""Makes the built-in model from nothing: tokenizer, training, export, evaluation."""

from __future__ import annotations

import argparse
from pathlib import Path

from training import evaluate, export, tokenizer, train

MODEL = Path(__file__).parent.parent / "models" / "ovapi-demo"


def main(folder: Path, target: Path, steps: int) -> None:
    """Work in `folder`, where an interrupted training is taken up again; write to `target`."""
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer.save(tokenizer.train(), folder)
    train.main(folder, steps)
    export.export(folder, target)
    evaluate.main(target, each=200, failures=0, keep=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m training", description=__doc__)
    parser.add_argument("--folder", type=Path, default=Path("/tmp/ovapi-training"))
    parser.add_argument("--target", type=Path, default=MODEL)
    parser.add_argument("--steps", type=int, default=train.Plan.steps)
    arguments = parser.parse_args()
    main(arguments.folder, arguments.target, arguments.steps)
