"""The memory of a process: what it has, as Linux tells it, and what it gives back."""

from __future__ import annotations

import ctypes
import os
from pathlib import Path

PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
LARGE_BYTES = 256 * 1024
_M_MMAP_THRESHOLD = -3


def resident_bytes(pid: int) -> int | None:
    """What the process `pid` has in RAM; None if there is no such process or no /proc."""
    try:
        fields = Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()
    except OSError:
        return None
    return int(fields[1]) * PAGE_BYTES


def give_back_large_blocks() -> None:
    """Have the C library return each block of LARGE_BYTES to the system when it is freed.

    Left alone, glibc raises its bound for that to the largest block that it has seen, up to 32 MiB,
    and each thread that had to do with large bodies keeps its share. Elsewhere this does nothing.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_MMAP_THRESHOLD, LARGE_BYTES)
