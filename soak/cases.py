"""All cases, in their order."""

from __future__ import annotations

from soak import (
    access,
    engine,
    framing,
    fuzz,
    innocent,
    kills,
    lifecycle,
    load,
    mixed,
    models,
    neighbours,
    parsing,
)
from soak.case import CASES

MODULES = (
    load,
    lifecycle,
    kills,
    innocent,
    models,
    mixed,
    parsing,
    framing,
    access,
    engine,
    fuzz,
    neighbours,
)
"""Importing them has put their cases on the list."""

ALL = sorted(CASES, key=lambda case: case.number)
