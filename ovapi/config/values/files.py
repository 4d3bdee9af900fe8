"""Reads the files that a configuration consists of, from disk and without waiting for anybody."""

from __future__ import annotations

import os
import stat
from pathlib import Path

MAX_BYTES = 16 * 2**20


def read_text(path: Path) -> str:
    """The text of a regular file. Raises OSError, and ValueError for what is no text.

    A FIFO or a device would wait for somebody to write: it is opened without waiting, and refused.
    """
    with open(path, "rb", opener=_open) as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise ValueError("is not a regular file")
        data = file.read(MAX_BYTES + 1)
    if len(data) > MAX_BYTES:
        raise ValueError(f"has more than {MAX_BYTES >> 20} MiB")
    return data.decode("utf-8")


def _open(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NONBLOCK)
