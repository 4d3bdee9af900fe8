"""RenderBudget: the CPU time and the memory that one rendering of a chat template may take.

Templates come with models from anywhere. Whatever one does is paid for here before it is done, so
that no single operation is large and the clock is looked at often. A template cannot reach its
budget: it is no variable, it belongs to the thread that renders.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any

from jinja2.utils import Namespace

_MIB = 2**20
_TURNS = 16
_MAX_UNSEEN = 32 * _MIB
"""Turns of a loop between two looks at the clock, and the most bytes."""
_CHARACTERS = 16 * _MIB
_MEMORY = 256 * _MIB
_BYTES_PER_CHARACTER = 32
"""The most that the objects which one character of source stands for take: ``[],`` is three."""
_ENTRY = 8
"""Characters that stand for a scalar, or for the brackets and commas around an entry."""
_DEPTH = 500
MAX_ITEMS = _MIB
"""Entries in one list."""

_thread = threading.local()


class RenderLimit(Exception):
    """A rendering has reached its limit of time or size."""


class RenderBudget:
    """`source` and `given` are the characters of the template and of its variables.

    `characters` bounds every text and the text that every list or dict would make, counting what
    stands in it twice as two: the sizes of what is nested in itself are seen before it is walked.
    """

    def __init__(self, source: int, given: int, seconds: float) -> None:
        self.characters = _CHARACTERS + 4 * given
        self._turn = _BYTES_PER_CHARACTER * (source + 64)
        self._end = time.thread_time() + seconds
        self._spent = 0
        self._interval = min(_TURNS * self._turn, _MAX_UNSEEN)
        self._look_at = self._interval
        self._weigh_at = _MEMORY
        self._before: int | None = None

    def turn(self) -> None:
        """Pay for a turn of a loop or a call: it runs each part of the source at most once."""
        self.spend(self._turn)

    def spend(self, size: int) -> None:
        """Pay for `size` bytes of objects, or as many steps. Raises RenderLimit."""
        self._spent += size
        if self._spent >= self._look_at:
            self._look()

    def check(self, characters: int) -> None:
        """That a text of so many is allowed. Raises RenderLimit."""
        if characters > self.characters:
            raise RenderLimit("size")

    def _look(self) -> None:
        self._look_at = self._spent + self._interval
        if time.thread_time() > self._end:
            raise RenderLimit("time")
        if self._spent >= self._weigh_at:
            self._weigh()

    def _weigh(self) -> None:
        """What was paid for may be free again: so the process says how much it has grown."""
        self._weigh_at = self._spent + _MEMORY // 8
        memory = _resident_memory()
        if self._before is None:
            self._before = memory
        elif memory - self._before > _MEMORY:
            raise RenderLimit("memory")

    def measure(self, value: Any) -> int:
        """About how many characters `value` has as text; pays for the walk. Raises RenderLimit."""
        if isinstance(value, str):
            return len(value)
        if not isinstance(value, _CONTAINERS):
            return _ENTRY + _digits(value)
        total = 0
        stack = [_entries(value)]
        while stack:
            for entry in stack[-1]:
                total += _ENTRY
                if isinstance(entry, str):
                    total += len(entry)
                elif isinstance(entry, _CONTAINERS):
                    stack.append(_entries(entry))
                    self._check_depth(len(stack))
                    break
                else:
                    total += _digits(entry)
            else:
                stack.pop()
            self.check(total)
        self.spend(total)
        return total

    def _check_depth(self, depth: int) -> None:
        if depth > _DEPTH:
            raise RenderLimit("depth")


_CONTAINERS: tuple[type, ...] = (
    list,
    tuple,
    dict,
    type({}.items()),
    type({}.keys()),
    type({}.values()),
    Namespace,
)


def _digits(value: Any) -> int:
    """Of a whole number, of which some are long."""
    return value.bit_length() // 3 if type(value) is int else 0


def _entries(value: Any) -> Iterator[Any]:
    if isinstance(value, Namespace):
        value = object.__getattribute__(value, "_Namespace__attrs")
    if isinstance(value, dict):
        return (part for pair in value.items() for part in pair)
    return iter(value)


def budget() -> RenderBudget:
    """Of the rendering that goes on in this thread. Raises RenderLimit if there is none.

    Jinja evaluates constants when it compiles; the exception puts that off until it renders.
    """
    current: RenderBudget | None = getattr(_thread, "budget", None)
    if current is None:
        raise RenderLimit("no rendering")
    return current


@contextmanager
def spending(one: RenderBudget) -> Iterator[None]:
    """`one` is the budget of what this thread renders meanwhile."""
    before, _thread.budget = getattr(_thread, "budget", None), one
    try:
        yield
    finally:
        _thread.budget = before


def items_of(values: Iterable[Any]) -> list[Any]:
    """All `values`, if there are not too many. Raises RenderLimit."""
    items = list(islice(values, MAX_ITEMS + 1))
    if len(items) > MAX_ITEMS:
        raise RenderLimit("size")
    budget().spend(8 * len(items))
    return items


def _resident_memory() -> int:
    """Bytes of this process; 0 where the system does not tell."""
    try:
        pages = Path("/proc/self/statm").read_bytes().split()[1]
    except OSError:
        return 0
    return int(pages) * os.sysconf("SC_PAGE_SIZE")
