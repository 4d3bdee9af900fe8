"""A counter-based random generator: each number is a function of seed, position and draw.

It has no state, so a request that is resumed by another process goes on with the same numbers.
"""

from __future__ import annotations

_MASK = 2**64 - 1
_GOLDEN = 0x9E3779B97F4A7C15


def uniform(seed: int, position: int, draw: int = 0) -> float:
    """A number in [0, 1): the `draw`-th one for the token at `position` of an answer."""
    state = _mix(seed & _MASK)
    state = _mix(state ^ _mix(position + _GOLDEN))
    state = _mix(state + draw * _GOLDEN)
    return (state >> 11) * 2.0**-53


def _mix(value: int) -> int:
    """The finalizer of SplitMix64 (Stafford's thirteenth variant), after one step."""
    value = (value + _GOLDEN) & _MASK
    value = ((value ^ (value >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    value = ((value ^ (value >> 27)) * 0x94D049BB133111EB) & _MASK
    return value ^ (value >> 31)
