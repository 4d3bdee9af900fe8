"""What runs outside of the clone, and with options of Python that few use."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from bench.server_process import DEMO, ROOT, ServerProcess
from soak.client.bodies import CHAT
from soak.client.prompts import GREETING, chat

SOURCES = ("setup.py", "pyproject.toml", "README.md", "LICENSE", "config.yaml", "schemas", "ovapi")


def answer(server: ServerProcess) -> str:
    response = httpx.post(f"{server.url}{CHAT}", json=chat(GREETING), timeout=60)
    assert response.status_code == 200, response.text
    content: str = response.json()["choices"][0]["message"]["content"]
    return content


@pytest.mark.parametrize("engine", ["batching", "simple"])
def test_a_server_without_docstrings_and_asserts(tmp_path: Path, engine: str) -> None:
    settings = {"models": [{"name": DEMO, "engine": engine}]}
    environment = {**os.environ, "PYTHONOPTIMIZE": "2"}
    with ServerProcess(tmp_path, settings, env=environment) as server:
        server.wait_ready()
        assert "Hello" in answer(server)
        assert server.terminate() == 0


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the package as setuptools builds it, and nothing of the clone."""
    source, target = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("installed")
    for name in SOURCES:
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, source / name, **({"symlinks": True} if copy is shutil.copytree else {}))
    shutil.copytree(ROOT / "models" / DEMO, source / "models" / DEMO)
    command = [sys.executable, "-W", "ignore", "setup.py", "-q", "build_py", "-d", str(target)]
    subprocess.run(command, cwd=source, check=True, timeout=120)
    shutil.rmtree(source)
    return target


def test_an_installation_serves_the_built_in_model(installed: Path, tmp_path: Path) -> None:
    settings = {"models_dir": "none", "models": [{"name": DEMO}]}
    environment = {**os.environ, "PYTHONPATH": str(installed)}
    with ServerProcess(tmp_path, settings, cwd=tmp_path, env=environment) as server:
        server.wait_ready()
        assert "Hello" in answer(server)
        assert server.terminate() == 0


def test_an_installation_needs_no_file(installed: Path, tmp_path: Path) -> None:
    result = subprocess.run(
        [sys.executable, "-m", "ovapi", "--check"], cwd=tmp_path, capture_output=True, text=True,
        env={**os.environ, "PYTHONPATH": str(installed)}, timeout=60, check=False,
    )  # fmt: skip
    assert (result.returncode, result.stderr) == (0, "")
    assert f"model {DEMO} on CPU" in result.stdout
