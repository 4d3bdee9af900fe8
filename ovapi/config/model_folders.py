"""The folders in `models_dir` that hold a model, and why others cannot be served."""

from __future__ import annotations

import os
import re
import stat
from dataclasses import dataclass
from pathlib import Path

from ovapi.config.settings import MODEL_FILE, ModelsDir

BUILT_IN = "ovapi-demo"
PACKAGED = Path(__file__).resolve().parents[1] / "models"
"""Has the built-in model, which is part of the package."""

NAME = re.compile(r"[^\x00-\x1f\x7f]{1,512}")
"""As schemas/config.json demands of names in the file."""


class _Unservable(Exception):
    """There may be a model in a folder, and it cannot be served: why."""


@dataclass(frozen=True)
class FoundModels:
    """The folders with a model, by name; and a notice for each that is skipped."""

    folders: tuple[Path, ...]
    notices: tuple[str, ...]
    models_dir: ModelsDir


def find_models(models_dir: Path, named: bool) -> FoundModels:
    """`named`: the file names `models_dir`, so there should be one."""
    try:
        entries = sorted(models_dir.iterdir())
    except OSError as error:
        cannot = f"models_dir {_shown(models_dir)} cannot be read: {error.strerror}"
        notices = (cannot,) if named or not isinstance(error, FileNotFoundError) else ()
        return FoundModels((), notices, ModelsDir(models_dir, readable=False))
    return _models_among(models_dir, entries)


def _models_among(models_dir: Path, entries: list[Path]) -> FoundModels:
    found: list[Path] = []
    notices: list[str] = []
    for folder in (entry for entry in entries if not entry.name.startswith(".")):
        try:
            if _has_model(folder):
                found.append(folder)
        except _Unservable as error:
            notices.append(f"{_shown(folder)} skipped: {error}")
    return FoundModels(tuple(found), tuple(notices), ModelsDir(models_dir, len(found)))


def no_models(models_dir: Path) -> str:
    """What to do where there are none."""
    return (
        f"no models: put the folder of an OpenVINO model into {_shown(models_dir)}, or serve the "
        f"built-in one with 'models: [{{name: {BUILT_IN}}}]'"
    )


def model_folder(models_dir: Path, name: str) -> Path:
    """Where the model of that name lies; the built-in one need not be in `models_dir`."""
    folder = models_dir / name
    if name == BUILT_IN and not os.path.lexists(folder):
        return PACKAGED / BUILT_IN
    return folder


def _has_model(folder: Path) -> bool:
    """Raises _Unservable."""
    file = folder / MODEL_FILE
    try:
        if not os.path.lexists(file):
            return _is_no_broken_link(folder)
        is_file = stat.S_ISREG(file.stat().st_mode)
    except OSError as error:
        raise _Unservable(error.strerror) from None
    if not is_file:
        raise _Unservable(f"its {MODEL_FILE} is not a file")
    _check_name(folder.name)
    return True


def _is_no_broken_link(folder: Path) -> bool:
    """False: there is no model. Raises OSError for a link that leads nowhere."""
    if folder.is_symlink():
        folder.stat()
    return False


def _check_name(name: str) -> None:
    try:
        name.encode()
    except UnicodeEncodeError:
        raise _Unservable("its name is not UTF-8") from None
    if not NAME.fullmatch(name):
        raise _Unservable("its name has control characters or is too long")


def _shown(path: Path) -> str:
    """For a log: without what is no text and without control characters."""
    text = os.fspath(path).encode(errors="backslashreplace").decode()
    return "".join(one if one.isprintable() else repr(one)[1:-1] for one in text)
