"""Case: one thing that the server must survive."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

Run = Callable[[Any], Awaitable[str]]
"""Takes a SoakContext, or SoakSettings if it is `alone`; returns the figures worth showing.

Raises AssertionError if the server fails the case.
"""

CASES: list[Case] = []


class NotApplicable(Exception):
    """The case cannot be shown here; the message says why."""


@dataclass(frozen=True)
class Case:
    """`config` is that of a server of its own; None: the server that most cases share.

    Where `alone`, the case starts its servers itself, as they are not meant to live through it.
    The `quick` ones are part of the test suite too.
    """

    number: int
    title: str
    run: Run
    config: dict[str, Any] | None = None
    alone: bool = False
    quick: bool = False


def case(
    number: int,
    title: str,
    *,
    config: dict[str, Any] | None = None,
    alone: bool = False,
    quick: bool = False,
) -> Callable[[Run], Run]:
    """Put a function on the list of cases."""

    def register(run: Run) -> Run:
        CASES.append(Case(number, title, run, config, alone, quick))
        return run

    return register
