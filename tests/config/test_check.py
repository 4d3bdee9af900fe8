"""``--check`` from outside: what it prints, where it can, and when it says that all is well."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from bench.server_process import DEMO, ROOT
from ovapi.cli.main import main

SOURCE = ROOT / "models" / DEMO


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The built-in model, copied, beside a configuration that names it."""
    folder = tmp_path / "m"
    folder.mkdir()
    for file in SOURCE.iterdir():
        if file.is_file():
            (folder / file.name).symlink_to(file)
    write(folder, "")
    return folder


def write(folder: Path, more: str, text: str = "") -> Path:
    file = folder.parent / "config.yaml"
    file.write_text(f"{text}\nmodels: [{{name: m, path: m{more}}}]\n")
    return file


def check(folder: Path) -> int:
    return main(["--config", str(folder.parent / "config.yaml"), "--check"])


def test_a_whole_model_is_well(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert check(folder) == 0
    assert "model m on CPU (auto engine), loads at startup" in capsys.readouterr().out


@pytest.mark.parametrize(
    "name", ["openvino_model.xml", "openvino_model.bin", "openvino_tokenizer.xml"]
)
def test_a_model_without_a_file_is_not(
    folder: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / name).unlink()
    assert check(folder) == 2
    assert f"{folder}: the model folder has no {name}" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (", draft: {path: small}", "small: the model folder does not exist"),
        (", adapters: [{name: b, path: gone}]", "gone does not exist"),
        (f", draft: {{path: {'x' * 300}}}", "x: File name too long"),
    ],
)
def test_what_belongs_to_a_model_must_be_there(
    folder: Path, more: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    write(folder, more)
    assert check(folder) == 2
    assert said in capsys.readouterr().out


def test_a_folder_of_models_must_be_there(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(folder, "", "models_dir: gone")
    assert check(folder) == 2
    assert "gone cannot be read: No such file or directory" in capsys.readouterr().out


def command(folder: Path, redirection: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["sh", "-c", f'exec "$0" -m ovapi --check --config "$1" {redirection}',
         sys.executable, str(folder.parent / "config.yaml")],
        cwd=ROOT, stderr=subprocess.PIPE, text=True, timeout=60, check=False,
    )  # fmt: skip


def test_a_full_disk_is_said_plainly(folder: Path) -> None:
    result = command(folder, ">/dev/full")
    assert result.returncode == 1
    assert result.stderr == "cannot write to standard output: No space left on device\n"


def test_a_closed_pipe_is_said_plainly(folder: Path) -> None:
    config = folder.parent / "config.yaml"
    read, write_end = os.pipe()
    os.close(read)
    try:
        result = subprocess.run(
            [sys.executable, "-m", "ovapi", "--check", "--config", str(config)],
            cwd=ROOT, stdout=write_end, stderr=subprocess.PIPE, text=True, timeout=60, check=False,
        )  # fmt: skip
    finally:
        os.close(write_end)
    assert result.returncode == 1
    assert result.stderr == "cannot write to standard output: Broken pipe\n"


def test_closed_output_is_no_trace(folder: Path) -> None:
    result = command(folder, ">&-")
    assert (result.returncode, result.stderr) == (0, "")


def test_a_path_that_is_no_text_is_shown(tmp_path: Path) -> None:
    odd = Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9"))
    (odd / "m").mkdir(parents=True)
    write(odd / "m", "")
    result = subprocess.run(
        [sys.executable, "-m", "ovapi", "--check", "--config", str(odd / "config.yaml")],
        cwd=ROOT, capture_output=True, timeout=60, check=False,
    )  # fmt: skip
    assert (result.returncode, result.stderr) == (2, b"")
    assert rb"caf\udce9/m: the model folder has no openvino_model.xml" in result.stdout
