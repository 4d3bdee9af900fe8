"""Paged engines in this process, and what their requests come to."""

from __future__ import annotations

from typing import Any

import pytest

from ovapi.engine.base import EngineSpec
from ovapi.engine.paged.engine import PagedEngine
from ovapi.engine.paged.loader import load_paged
from tests.support.driver import DEMO


def load(**spec: Any) -> PagedEngine:
    return load_paged(EngineSpec("demo", DEMO, **spec))[0]


@pytest.fixture(scope="module")
def engine() -> PagedEngine:
    return load()
