"""Paged engines in this process, and what their requests come to."""

from __future__ import annotations

from typing import Any

import pytest

from ovapi.engine.base import EngineSpec
from ovapi.engine.paged.loader import load_paged
from ovapi.engine.paged.pipeline import PagedPipeline
from tests.support.driver import DEMO


def load(**spec: Any) -> PagedPipeline:
    return load_paged(EngineSpec("demo", DEMO, **spec))[0]


@pytest.fixture(scope="module")
def engine() -> PagedPipeline:
    return load()
