"""Sizes as people write them: ``512MB``, ``2 GiB``, or a number of bytes."""

from __future__ import annotations

_UNITS = {"KB": 10**3, "MB": 10**6, "GB": 10**9, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30}


def size_in_bytes(size: int | str) -> int:
    """``"512MB"`` → 512,000,000; a plain number is bytes. The schema has checked the form."""
    if isinstance(size, int):
        return size
    digits = size.rstrip("KMGiB ")
    return int(digits) * _UNITS[size[len(digits) :].strip()]
