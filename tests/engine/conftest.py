"""One engine of each kind for a module's tests: loading takes a second or two."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tornado.ioloop import IOLoop

from ovapi.config.engine_options import SpeculationConfig
from tests.support.driver import DEMO, Driver


@pytest.fixture(scope="module", autouse=True)
def io_loop() -> Iterator[IOLoop]:
    """One loop for a module instead of one for a test, since engines stay on their loop."""
    loop = IOLoop(make_current=True)
    yield loop
    loop.close(all_fds=True)


KINDS = ["batching", "paged", "simple"]
KINDS += [f"{kind}-{drafts}" for kind in ("batching", "paged") for drafts in ("lookup", "draft")]
SPECULATION = {"lookup": SpeculationConfig(), "draft": SpeculationConfig(draft=DEMO)}


def _started(io_loop: IOLoop, kind: str) -> Iterator[Driver]:
    """`kind` is an engine's, or that of its speculation after a dash."""
    engine, _, drafts = kind.partition("-")
    speculation = SPECULATION.get(drafts)
    driver = io_loop.run_sync(lambda: Driver.started(engine, speculation=speculation))
    yield driver
    io_loop.run_sync(driver.close)


@pytest.fixture(scope="module", params=KINDS)
def driver(request: pytest.FixtureRequest, io_loop: IOLoop) -> Iterator[Driver]:
    """An engine of each kind in turn."""
    yield from _started(io_loop, request.param)


@pytest.fixture(scope="module", params=["batching", "paged"])
def concurrent(request: pytest.FixtureRequest, io_loop: IOLoop) -> Iterator[Driver]:
    """An engine of each kind that runs requests together."""
    yield from _started(io_loop, request.param)


@pytest.fixture(scope="module")
def batching(io_loop: IOLoop) -> Iterator[Driver]:
    yield from _started(io_loop, "batching")


@pytest.fixture(scope="module")
def simple(io_loop: IOLoop) -> Iterator[Driver]:
    yield from _started(io_loop, "simple")
