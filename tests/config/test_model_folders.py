"""What lies in the models folder and is no model, or none that can be served."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ovapi.config.loader import load
from ovapi.config.model_folders import PACKAGED
from ovapi.config.settings import Config


@pytest.fixture
def models(tmp_path: Path) -> Path:
    (tmp_path / "models").mkdir()
    put(tmp_path / "models" / "good")
    return tmp_path / "models"


def put(folder: Path) -> None:
    folder.mkdir()
    (folder / "openvino_model.xml").touch()


def read(models: Path, text: str = "") -> Config:
    file = models.parent / "config.yaml"
    file.write_text(text)
    return load(file)


def notice(models: Path) -> str:
    """The one notice, where the good model is served and nothing else."""
    config = read(models)
    assert [model.name for model in config.models] == ["good"]
    (found,) = config.notices
    return found


def test_a_name_that_is_not_utf_8_is_skipped(models: Path) -> None:
    put(Path(os.fsdecode(os.fsencode(models) + b"/caf\xe9")))
    assert notice(models) == rf"{models}/caf\udce9 skipped: its name is not UTF-8"


@pytest.mark.parametrize("name", ["a\nforged line", "\x1b[2J", "x\x7f"])
def test_a_name_with_control_characters_is_skipped(models: Path, name: str) -> None:
    put(models / name)
    found = notice(models)
    assert "control characters" in found
    assert found.isprintable()


def test_links_that_lead_nowhere_are_skipped(models: Path) -> None:
    (models / "gone").symlink_to(models / "nothing")
    assert notice(models) == f"{models}/gone skipped: No such file or directory"


def test_links_in_a_circle_are_skipped(models: Path) -> None:
    (models / "round").symlink_to(models / "round")
    assert "symbolic links" in notice(models)


def test_a_model_whose_file_is_a_link_to_nothing_is_skipped(models: Path) -> None:
    (models / "half").mkdir()
    (models / "half" / "openvino_model.xml").symlink_to("nothing")
    assert "half skipped: No such file" in notice(models)


def test_a_folder_in_the_place_of_the_file_is_skipped(models: Path) -> None:
    (models / "odd" / "openvino_model.xml").mkdir(parents=True)
    assert "openvino_model.xml is not a file" in notice(models)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_what_cannot_be_read_is_skipped(models: Path) -> None:
    put(models / "closed")
    (models / "closed").chmod(0)
    assert notice(models) == f"{models}/closed skipped: Permission denied"


def test_what_is_no_model_is_passed_over(models: Path) -> None:
    (models / "README.md").touch()
    (models / "openvino_model.xml").touch()
    (models / "empty").mkdir()
    put(models / ".hidden")
    (models / "link").symlink_to(models / "good", target_is_directory=True)
    config = read(models)
    assert [model.name for model in config.models] == ["good", "link"]
    assert config.notices == ()


def test_a_folder_that_is_named_and_missing_is_told(tmp_path: Path) -> None:
    text = "models_dir: gone\nmodels: [{name: a, path: a}]\n"
    (found,) = read(tmp_path / "models", text).notices
    assert found == f"models_dir {tmp_path}/gone cannot be read: No such file or directory"
    assert read(tmp_path / "models", "models: [{name: a, path: a}]").notices == ()


def test_no_models_are_no_error(tmp_path: Path) -> None:
    config = read(tmp_path / "models")
    assert config.models == ()
    assert "models: [{name: ovapi-demo}]" in config.notices[0]
    (tmp_path / "models").touch()
    assert "cannot be read: Not a directory" in read(tmp_path / "models").notices[0]


def test_the_built_in_model_comes_with_the_package(models: Path) -> None:
    entry = "models: [{name: ovapi-demo}]"
    assert read(models, entry).models[0].path == PACKAGED / "ovapi-demo"
    put(models / "ovapi-demo")
    assert read(models, entry).models[0].path == models / "ovapi-demo"
