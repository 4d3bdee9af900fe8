"""Real servers for the tests that look from outside: one of each engine kind a session."""

from __future__ import annotations

from collections.abc import Iterator

import hypothesis
import pytest

from bench.server_process import DEMO, ServerProcess

hypothesis.settings.register_profile("ovapi", deadline=None)  # a busy machine is no failure
hypothesis.settings.load_profile("ovapi")


def _serve(tmp_path_factory: pytest.TempPathFactory, engine: str) -> Iterator[ServerProcess]:
    settings = {"models": [{"name": DEMO, "engine": engine}]}
    with ServerProcess(tmp_path_factory.mktemp(engine), settings) as process:
        process.wait_ready()
        yield process


@pytest.fixture(scope="session")
def batching_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    yield from _serve(tmp_path_factory, "batching")


@pytest.fixture(scope="session")
def simple_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    yield from _serve(tmp_path_factory, "simple")


@pytest.fixture(params=["batching", "simple"])
def any_server(request: pytest.FixtureRequest) -> ServerProcess:
    """The server of each engine kind in turn."""
    server: ServerProcess = request.getfixturevalue(f"{request.param}_server")
    return server
