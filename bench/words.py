"""Text found on this machine, to train a tokenizer on."""

from __future__ import annotations

import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path

MAX_BYTES = 48 * 2**20
_LARGEST_FILE = 2**20
_ENDINGS = {".md", ".rst", ".txt", ".py"}


def _folders() -> list[Path]:
    found = [Path("/usr/share/doc"), Path(sysconfig.get_path("stdlib")), Path(sys.prefix)]
    return [folder for folder in found if folder.is_dir()]


def files() -> Iterator[Path]:
    """Documentation and sources in a fixed order."""
    for folder in _folders():
        for path in sorted(folder.rglob("*")):
            if path.suffix in _ENDINGS and path.is_file() and path.stat().st_size < _LARGEST_FILE:
                yield path


def texts(most: int = MAX_BYTES) -> Iterator[str]:
    """The files' texts, up to `most` bytes in all."""
    for path in files():
        text = path.read_text(encoding="utf-8", errors="ignore")
        yield text
        most -= len(text)
        if most < 0:
            return
