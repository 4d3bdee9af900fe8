"""Throws requests at a server on a fake engine, drawn from its OpenAPI document: no 5xx.

``make fuzz`` runs it; what follows on the command line goes to schemathesis.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

from tornado.testing import bind_unused_port

from ovapi.app import Application
from ovapi.config.settings import Config, LoggingConfig, ModelConfig, ServerConfig
from ovapi.core import GenerateRequest, Sink
from ovapi.http.connection.server import LimitedHTTPServer
from ovapi.serving.model import Model
from ovapi.serving.registry import ModelRegistry
from ovapi.validation.schemas import Schemas
from tests.support.fake_engine import FakeEngine, script

MODEL = ModelConfig("ovapi-demo", Path("ovapi-demo"))
BOUNDS = ["--max-examples=15", "--seed=1", "--phases=examples,coverage,fuzzing", "--workers=1"]
CHECKS = ["--checks=not_a_server_error", "--mode=all", "--suppress-health-check=all"]


class TalkingEngine(FakeEngine):
    """Has the same answer for everything."""

    def submit(self, request: GenerateRequest, sink: Sink) -> None:
        beams = request.sampling.beams
        accepted, *answer = script("Why", " not", "?")
        choices = range(beams.results if beams is not None else 1)
        self.scripts.append([accepted, *(replace(one, index=i) for i in choices for one in answer)])
        super().submit(request, sink)

    async def detokenize(
        self, ids: Sequence[int], caller: str = "", deadline: float | None = None
    ) -> str:
        return f"{len(ids)} tokens"


async def serve(arguments: list[str]) -> int:
    """Run schemathesis against a server in this process; its exit status."""
    config = Config(ServerConfig(), LoggingConfig(), (MODEL,), MODEL.name, None)
    registry = ModelRegistry([Model(MODEL, TalkingEngine())], MODEL.name)
    with ThreadPoolExecutor(4) as executor:
        app = Application(config, registry, Schemas(), executor)
        server = LimitedHTTPServer(app, config.server, app.metrics.refused)
        listening, port = bind_unused_port()
        server.add_socket(listening)
        url = f"http://127.0.0.1:{port}/openapi.json"
        status = await asyncio.to_thread(schemathesis, url, arguments)
        server.stop()
        await server.close_all_connections()
    return status


def schemathesis(url: str, arguments: list[str]) -> int:
    program = Path(sys.executable).with_name("schemathesis")
    command = [program, "run", url, *BOUNDS, *CHECKS, *arguments]
    return subprocess.run(command, check=False).returncode


if __name__ == "__main__":
    sys.exit(asyncio.run(serve(sys.argv[1:])))
