"""Which package may import which: read from the sources, so that nothing has to be imported."""

from __future__ import annotations

import ast
import gc
from collections.abc import Callable, Collection, Iterator, Mapping
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
MODULES = sorted((ROOT / "ovapi").rglob("*.py"))

VOCABULARY = {"ovapi.core", "ovapi.errors", "ovapi.logs"}
"""What everyone may import, beside its own package and the version."""

ENGINE_EDGE = {"ovapi.engine.base", "ovapi.engine.load_error"}
"""What supervision knows of engines: it serves any."""

ALLOWED: dict[str, set[str]] = {
    "ovapi.core": {"ovapi.errors"},
    "ovapi.errors": set(),
    "ovapi.logs": {"ovapi.log_writer"},
    "ovapi.log_writer": set(),
    "ovapi.validation": VOCABULARY,
    "ovapi.config": VOCABULARY | {"ovapi.validation"},
    "ovapi.language": VOCABULARY,
    "ovapi.engine": VOCABULARY | {"ovapi.config", "ovapi.language"},
    "ovapi.engine.text": VOCABULARY | {"ovapi.config", "ovapi.engine", "ovapi.language"},
    "ovapi.engine.factory": VOCABULARY | {"ovapi.engine"},
    "ovapi.engine.process": VOCABULARY | ENGINE_EDGE,
    "ovapi.engine.process.worker": VOCABULARY
    | ENGINE_EDGE
    | {"ovapi.engine.factory", "ovapi.engine.process"},
    "ovapi.engine.generation": VOCABULARY
    | ENGINE_EDGE
    | {"ovapi.engine.process", "ovapi.engine.text"},
    "ovapi.engine.genai": VOCABULARY | {"ovapi.config", "ovapi.engine", "ovapi.language"},
    "ovapi.engine.paged": VOCABULARY | {"ovapi.config", "ovapi.engine", "ovapi.language"},
    "ovapi.serving": VOCABULARY | {"ovapi.config", "ovapi.engine", "ovapi.language"},
    "ovapi.http": VOCABULARY | {"ovapi.config", "ovapi.serving", "ovapi.validation"},
    "ovapi.api": VOCABULARY
    | {"ovapi.config", "ovapi.http", "ovapi.language", "ovapi.serving", "ovapi.validation"},
    "ovapi.tuning": VOCABULARY | {"ovapi.config", "ovapi.engine", "ovapi.serving"},
    "ovapi.systemd": VOCABULARY | {"ovapi.serving"},
    "ovapi.app": {"ovapi"},
    "ovapi.server": {"ovapi"},
    "ovapi.cli": {"ovapi"},
    "ovapi.__main__": {"ovapi.cli", "ovapi.signals"},
    "ovapi.signals": set(),
}
"""A row for each package, and for each module beside them; the longest that fits counts."""

BESIDE = {"bench": {"ovapi", "training"}, "soak": {"bench", "ovapi"}}
"""What the folders beside the package may import of this repository; tests see all of it."""

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


def at_import(tree: ast.Module) -> Iterator[str]:
    """As `top_level`, less what is for type checkers alone."""
    for statement in tree.body:
        if not (isinstance(statement, ast.If) and "TYPE_CHECKING" in ast.unparse(statement.test)):
            yield from top_level(ast.Module([statement], []))


def cycle(graph: Mapping[str, Collection[str]]) -> list[str] | None:
    """Modules of which each needs the next, and the last the first; None if there are none."""
    left = {name: set(needed) & graph.keys() for name, needed in graph.items()}
    while free := [name for name, needed in left.items() if not needed]:
        for name in free:
            del left[name]
        for needed in left.values():
            needed.difference_update(free)
    if not left:
        return None
    path = [next(iter(left))]
    while path[-1] not in path[:-1]:
        path.append(next(iter(left[path[-1]])))
    return path[path.index(path[-1]) :]


def within(module: str, package: str) -> bool:
    return module == package or module.startswith(f"{package}.")


@cache
def tree_of(file: Path) -> ast.Module:
    """Without garbage collection: CPython 3.11 loses count of the depth if a finalizer of another
    test's objects parses or compiles meanwhile."""
    gc.disable()
    try:
        return ast.parse(file.read_text(encoding="utf-8"))
    finally:
        gc.enable()


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


@pytest.mark.parametrize("folder", BESIDE)
def test_the_campaign_and_the_benchmarks_import_no_tests(folder: str) -> None:
    files = sorted((ROOT / folder).rglob("*.py"))
    assert files
    ours = {"ovapi", "tests", "training", *BESIDE}
    for file in files:
        found = {name.split(".")[0] for name in imports(tree_of(file))} & ours
        assert found <= BESIDE[folder] | {folder}, name_of(file)


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


@pytest.mark.parametrize("reading", [at_import, imports], ids=["at import", "within functions too"])
def test_no_modules_import_each_other_in_a_circle(
    reading: Callable[[ast.Module], Iterator[str]],
) -> None:
    assert cycle({name_of(file): set(reading(tree_of(file))) for file in MODULES}) is None


def test_circles_are_found() -> None:
    assert cycle({"a": {"b"}, "b": {"c"}, "c": {"elsewhere"}}) is None
    assert cycle({"a": {"b"}, "b": {"c"}, "c": {"b"}}) in (["b", "c", "b"], ["c", "b", "c"])
