"""The openai npm package against the real server, where node and npm are present."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from bench.server_process import DEMO, ServerProcess
from soak.client.prompts import GREETING

SOURCE = Path(__file__).with_name("node")

pytestmark = pytest.mark.skipif(
    not (shutil.which("node") and shutil.which("npm")), reason="node and npm are not installed"
)


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the script and its dependency installed."""
    folder = tmp_path_factory.mktemp("node")
    shutil.copytree(SOURCE, folder, dirs_exist_ok=True)
    subprocess.run(
        ["npm", "install", "--no-audit", "--no-fund", "--no-package-lock", "--silent"],
        cwd=folder, check=True, timeout=300,
    )  # fmt: skip
    return folder


def test_the_npm_client(package: Path, batching_server: ServerProcess) -> None:
    result = subprocess.run(
        ["node", "openai_client.mjs", batching_server.url, DEMO, GREETING],
        cwd=package, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    seen = json.loads(result.stdout)
    assert seen["text"]
    assert seen["streamed"] == seen["text"]
    assert seen["parts"] > 2
    assert seen["completion"] == "length"
    assert seen["models"] == [DEMO]
    assert seen["error"] == {"notFound": True, "code": "model_not_found"}
