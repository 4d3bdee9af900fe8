"""A server in the test's own process, on a fake engine."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import httpx
import pytest
from tornado.ioloop import IOLoop
from tornado.testing import bind_unused_port

from ovapi.app import Application
from ovapi.config.keyring import Keyring
from ovapi.config.settings import Config, LoggingConfig, ModelConfig, ServerConfig
from ovapi.http.connection.server import LimitedHTTPServer
from ovapi.serving.model import Model
from ovapi.serving.registry import ModelRegistry
from ovapi.validation.schemas import Schemas
from tests.support.fake_engine import FakeEngine

SCHEMAS = Schemas()
LIMITS = ServerConfig(max_body_bytes=1_000_000, max_header_bytes=16_384, body_timeout=0.5)


@dataclass
class Api:
    """The server under test, its engine, and the model behind which the engine is."""

    app: Application
    engine: FakeEngine
    model: Model
    port: int
    server: LimitedHTTPServer

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def keep_alive_every(self, seconds: float) -> None:
        """How long a stream may be silent before a comment."""
        config = self.app.context.config
        server = replace(config.server, keepalive_seconds=seconds)
        self.app.configure(replace(config, server=server))

    def client(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(base_url=self.url, timeout=10, trust_env=False, verify=False)


async def until(condition: Callable[[], object]) -> None:
    """Return once `condition()` holds; fail if it does not within ten seconds."""
    for _ in range(2000):
        if condition():
            return
        await asyncio.sleep(0.005)
    raise AssertionError("it did not come true")


@pytest.fixture
def io_loop() -> Iterator[IOLoop]:
    """The plugin's own makes the loop current before it runs, which Tornado has deprecated."""
    loop = IOLoop(make_current=False)
    yield loop
    loop.close(all_fds=True)


@pytest.fixture
def keys() -> Keyring:
    """None are needed; a test that needs some overrides this."""
    return Keyring()


@pytest.fixture
def limits() -> ServerConfig:
    return LIMITS


@pytest.fixture
def api(io_loop: IOLoop, keys: Keyring, limits: ServerConfig) -> Iterator[Api]:
    model_config = ModelConfig("demo", Path("demo"), aliases=("gpt-4o",), max_queued=8)
    config = Config(limits, LoggingConfig(), (model_config,), "demo", None, keys=keys)
    engine = FakeEngine()
    model = Model(model_config, engine)
    executor = ThreadPoolExecutor(4)
    app = Application(config, ModelRegistry([model], "demo"), SCHEMAS, executor)
    server = LimitedHTTPServer(app, limits, app.metrics.refused)
    listening, port = bind_unused_port()
    io_loop.run_sync(lambda: server.add_socket(listening))
    yield Api(app, engine, model, port, server)
    server.stop()
    io_loop.run_sync(server.close_all_connections)
    executor.shutdown()
