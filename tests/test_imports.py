"""Which module may import which: read from the sources, so that nothing has to be imported."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
MODULES = sorted((ROOT / "ovapi").rglob("*.py"))

VOCABULARY = {"ovapi", "ovapi.core", "ovapi.errors"}
"""What everyone may import."""

API = VOCABULARY | {
    "ovapi.api",
    "ovapi.http",
    "ovapi.language",
    "ovapi.serving",
    "ovapi.config.keyring",
    "ovapi.config",
    "ovapi.documentation",
    "ovapi.config.durations",
    "ovapi.endpoints",
    "ovapi.http.rate_limits",
    "ovapi.logs",
    "ovapi.metrics",
    "ovapi.models",
    "ovapi.openapi",
    "ovapi.http.origin",
    "ovapi.validation.schemas",
    "ovapi.stream",
    "ovapi.serving.request_timings",
}
ENGINE = VOCABULARY | {"ovapi.config", "ovapi.engine", "ovapi.language", "ovapi.logs"}
ENGINE |= {f"ovapi.engine.{part}" for part in ("process", "genai", "text")}

ALLOWED = {
    "core": {"ovapi.errors"},
    "errors": set(),
    "stream": VOCABULARY | {"ovapi.serving.request_timings"},
    "timeline": set(),
    "keywords": {"ovapi.validation.violation"},
    "long_arrays": {"ovapi.validation.violation"},
    "schema": {
        "ovapi.validation.keywords",
        "ovapi.validation.long_arrays",
        "ovapi.validation.violation",
    },
    "violation": VOCABULARY,
    "documentation": VOCABULARY
    | {
        "ovapi.serving",
        "ovapi.endpoint",
        "ovapi.endpoints",
        "ovapi.metrics",
        "ovapi.validation.schemas",
        "ovapi.validation.violation",
    },
    "openapi": {"ovapi", "ovapi.endpoint", "ovapi.endpoints", "ovapi.validation.schemas"},
    "endpoint": set(),
    "endpoints": {"ovapi.endpoint", "ovapi.ollama_endpoints"},
    "auth": VOCABULARY,
    "origin": VOCABULARY,
    "api": API,
    "engine": ENGINE,
}
"""By the first part of a module's name under `ovapi`; what is not listed sees all."""

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
            yield str(inner.module)


def top_level(tree: ast.Module) -> Iterator[str]:
    """What is imported as soon as the module is: all but the imports inside of functions."""
    for statement in tree.body:
        if not isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            yield from imports(statement)


@pytest.mark.parametrize("file", MODULES, ids=name_of)
def test_the_direction_of_imports(file: Path) -> None:
    _, _, rest = name_of(file).partition(".")
    part = rest.split(".")[0]
    if part not in ALLOWED:
        return
    for wanted in imports(ast.parse(file.read_text(encoding="utf-8"))):
        if wanted.split(".")[0] == "ovapi":
            parent = wanted.rpartition(".")[0]
            assert wanted in ALLOWED[part] or (parent != "ovapi" and parent in ALLOWED[part])


@pytest.mark.parametrize("file", MODULES, ids=name_of)
def test_only_engines_import_openvino_and_lazily(file: Path) -> None:
    tree = ast.parse(file.read_text(encoding="utf-8"))
    assert not {name.split(".")[0] for name in top_level(tree)} & OPENVINO
    if not name_of(file).startswith("ovapi.engine"):
        assert not {name.split(".")[0] for name in imports(tree)} & OPENVINO


@pytest.mark.parametrize("file", MODULES, ids=name_of)
def test_engines_know_nothing_of_tornado(file: Path) -> None:
    if name_of(file).startswith("ovapi.engine"):
        tree = ast.parse(file.read_text(encoding="utf-8"))
        assert not {name.split(".")[0] for name in imports(tree)} & {"tornado"}


def test_sibling_dialects_do_not_import_each_other() -> None:
    """A dialect is a file that ends in a handler; what siblings share is a module of its own."""
    shared = {"access_log", "base", "body", "failure", "generation", "health", "json_text"}
    shared |= {"answer", "model_card", "ollama", "ollama_answer", "ollama_generation"}
    shared |= {"ollama_options"}
    shared |= {"openai", "openai_answer", "openai_messages", "openai_sampling"}
    shared |= {"services", "transcript", "unknown"}
    for file in (ROOT / "ovapi" / "api").glob("*.py"):
        for wanted in imports(ast.parse(file.read_text(encoding="utf-8"))):
            if wanted.startswith("ovapi.api."):
                assert wanted.removeprefix("ovapi.api.") in shared
