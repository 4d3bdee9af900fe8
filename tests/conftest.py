"""Real servers for the tests that look from outside: one of each engine kind a session."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest

from bench.server_process import DEMO, ServerProcess
from tests.support.engines import EngineGuard

hypothesis.settings.register_profile("ovapi", deadline=None)  # a busy machine is no failure
hypothesis.settings.load_profile("ovapi")


# every client of httpx loads the system's certificates, which takes longer than most requests
os.environ.pop("SSL_CERT_FILE", None)
os.environ["SSL_CERT_DIR"] = str(Path(__file__).parent)


def pytest_configure(config: pytest.Config) -> None:
    guard = EngineGuard()
    config.pluginmanager.register(guard)
    sys.addaudithook(guard.watch)


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
