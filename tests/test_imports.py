"""Which package may import which: read from the sources, so that nothing has to be imported."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
MODULES = sorted((ROOT / "ovapi").rglob("*.py"))

VOCABULARY = {"ovapi.core", "ovapi.errors", "ovapi.logs"}
"""What everyone may import, beside its own package and the version."""

ALLOWED: dict[str, set[str]] = {
    "ovapi.core": {"ovapi.errors"},
    "ovapi.errors": set(),
    "ovapi.logs": set(),
    "ovapi.validation": VOCABULARY,
    "ovapi.config": VOCABULARY | {"ovapi.validation"},
    "ovapi.language": VOCABULARY,
    "ovapi.engine": VOCABULARY | {"ovapi.config", "ovapi.language"},
    "ovapi.engine.text": VOCABULARY | {"ovapi.config", "ovapi.engine", "ovapi.language"},
    "ovapi.engine.process": VOCABULARY | {"ovapi.config", "ovapi.engine", "ovapi.language"},
    "ovapi.engine.genai": VOCABULARY | {"ovapi.config", "ovapi.engine", "ovapi.language"},
    "ovapi.serving": VOCABULARY | {"ovapi.config", "ovapi.engine", "ovapi.language"},
    "ovapi.http": VOCABULARY | {"ovapi.config", "ovapi.serving", "ovapi.validation"},
    "ovapi.api": VOCABULARY
    | {"ovapi.config", "ovapi.http", "ovapi.language", "ovapi.serving", "ovapi.validation"},
    "ovapi.tuning": VOCABULARY | {"ovapi.config", "ovapi.engine", "ovapi.serving"},
    "ovapi.systemd": VOCABULARY | {"ovapi.serving"},
    "ovapi.app": {"ovapi"},
    "ovapi.server": {"ovapi"},
    "ovapi.__main__": {"ovapi"},
}
"""A row for each package, and for each module beside them; the longest that fits counts."""

OPENVINO = {"openvino", "openvino_genai", "openvino_tokenizers"}


def name_of(file: Path) -> str:
    name = ".".join(file.relative_to(ROOT).with_suffix("").parts)
    return name.removesuffix(".__init__")


def imports(node: ast.AST) -> Iterator[str]:
    for inner in ast.walk(node):
        if isinstance(inner, ast.Import):
            yield from (alias.name for alias in inner.names)
        elif isinstance(inner, ast.ImportFrom):
            assert inner.level == 0, "relative import"
            assert inner.module is not None
            for alias in inner.names:
                full = f"{inner.module}.{alias.name}"
                yield (
                    full
                    if (ROOT / full.replace(".", "/")).with_suffix(".py").exists()
                    else (inner.module)
                )


def top_level(tree: ast.Module) -> Iterator[str]:
    """What is imported as soon as the module is: all but the imports inside of functions."""
    for statement in tree.body:
        if not isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            yield from imports(statement)


def within(module: str, package: str) -> bool:
    return module == package or module.startswith(f"{package}.")


def tree_of(file: Path) -> ast.Module:
    return ast.parse(file.read_text(encoding="utf-8"))


@pytest.mark.parametrize("file", MODULES, ids=name_of)
def test_the_direction_of_imports(file: Path) -> None:
    name = name_of(file)
    if name == "ovapi":
        return
    package = max((row for row in ALLOWED if within(name, row)), key=len, default=None)
    assert package is not None, f"no row says what {name} may import"
    for wanted in imports(tree_of(file)):
        if within(wanted, "ovapi") and wanted != "ovapi" and not within(wanted, package):
            assert any(within(wanted, one) for one in ALLOWED[package]), f"{name} → {wanted}"


@pytest.mark.parametrize("file", MODULES, ids=name_of)
def test_only_engines_import_openvino_and_lazily(file: Path) -> None:
    tree = tree_of(file)
    assert not {name.split(".")[0] for name in top_level(tree)} & OPENVINO
    if not within(name_of(file), "ovapi.engine"):
        assert not {name.split(".")[0] for name in imports(tree)} & OPENVINO


@pytest.mark.parametrize("file", MODULES, ids=name_of)
def test_engines_know_nothing_of_tornado(file: Path) -> None:
    if within(name_of(file), "ovapi.engine"):
        assert not {name.split(".")[0] for name in imports(tree_of(file))} & {"tornado"}
