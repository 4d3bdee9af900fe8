"""How many processes the kernel has killed for want of memory, by its own count."""

from __future__ import annotations

from pathlib import Path

_VMSTAT = Path("/proc/vmstat")


def oom_kills(vmstat: Path = _VMSTAT) -> int:
    """Since the machine came up, in all its memory cgroups; 0 where the kernel does not tell."""
    try:
        lines = vmstat.read_text(encoding="ascii").splitlines()
    except OSError:
        return 0
    counts = dict(line.split(" ", 1) for line in lines if " " in line)
    return int(counts.get("oom_kill", 0))
