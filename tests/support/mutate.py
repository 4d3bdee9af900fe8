"""Changes the code at random places, one at a time, and sees whether a test fails.

``make mutate`` runs it on a copy of the working tree and prints what survived, as differences. The
mutants are those of cosmic-ray; the same seed takes the same sample.
"""

from __future__ import annotations

import argparse
import difflib
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from cosmic_ray import plugins
from cosmic_ray.ast import ast_nodes, get_ast
from cosmic_ray.mutating import mutate_code

ROOT = Path(__file__).resolve().parents[2]
FAST = ("-m", "not engine")
TESTS: dict[str, tuple[str, ...]] = {
    "ovapi/engine/process": ("tests/engine/process",),
    "ovapi/http": ("tests/http", "tests/api", *FAST),
    "ovapi/serving": ("tests/serving", "tests/api", "tests/http", *FAST),
}
"""For each package the tests that are to notice: the fast ones, where they can."""

LEFT_OUT = re.compile(
    r"NoOp|RemoveDecorator|ReplaceBinaryOperator_BitOr|_(Eq|NotEq|LtE?|GtE?)_Is(Not)?$"
)
"""Operators that change nothing here, as unions stand in annotations, or nothing of interest."""

NOT_COPIED = shutil.ignore_patterns(".git", ".venv", ".*_cache", "__pycache__", "build", "cache")


@dataclass(frozen=True)
class Mutant:
    """The `occurrence` of what an operator of cosmic-ray changes in a file."""

    file: str
    operator: str
    occurrence: int

    def code(self, source: str) -> str | None:
        return mutate_code(source, plugins.get_operator(self.operator)(), self.occurrence)


@dataclass(frozen=True)
class Check:
    """The tests of a package, and how many seconds they may take."""

    tests: tuple[str, ...]
    seconds: float = 600.0

    def passes(self, tree: Path) -> bool:
        """A test that never ends fails. Whatever the tests have started is ended with them."""
        options = ("-x", "-q", "-p", "no:cacheprovider", *self.tests)
        process = subprocess.Popen(
            [sys.executable, "-m", "pytest", *options],
            cwd=tree, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
            env={**os.environ, "PYTHONPATH": str(tree), "PYTHONDONTWRITEBYTECODE": "1"},
        )  # fmt: skip
        try:
            return process.wait(self.seconds) == 0
        except subprocess.TimeoutExpired:
            return False
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def mutants(package: str) -> Iterator[Mutant]:
    """All that there are of the modules of a package."""
    names = [name for name in plugins.operator_names() if not LEFT_OUT.search(name)]
    operators = {name: plugins.get_operator(name) for name in names}
    for file in sorted((ROOT / package).rglob("*.py")):
        nodes = list(ast_nodes(get_ast(file.read_text(encoding="utf-8"))))
        for name, operator in operators.items():
            if not operator.arguments():
                made = operator()
                count = sum(len(list(made.mutation_positions(node))) for node in nodes)
                for occurrence in range(count):
                    yield Mutant(str(file.relative_to(ROOT)), name, occurrence)


def baseline(tree: Path, package: str) -> Check:
    """What the tests of a package take without a change, three times over; they must pass."""
    check = Check(TESTS[package])
    start = time.monotonic()
    if not check.passes(tree):
        sys.exit(f"the tests of {package} fail without a change: {' '.join(check.tests)}")
    return Check(check.tests, 10 + 3 * (time.monotonic() - start))


def survives(tree: Path, mutant: Mutant, check: Check) -> str:
    """The difference that no test notices; "" if one does."""
    file = tree / mutant.file
    source = file.read_text(encoding="utf-8")
    changed = mutant.code(source)
    if changed is None:
        return ""
    file.write_text(changed, encoding="utf-8")
    try:
        if not check.passes(tree):
            return ""
    finally:
        file.write_text(source, encoding="utf-8")
    lines = difflib.unified_diff(
        source.splitlines(), changed.splitlines(), mutant.file, mutant.file, n=1, lineterm=""
    )
    return "\n".join(lines)


def run(packages: list[str], number: int, seed: int, minutes: float) -> None:
    deadline = time.monotonic() + 60 * minutes
    work = [(package, mutant) for package in packages for mutant in mutants(package)]
    sample = random.Random(seed).sample(work, min(number, len(work)))
    tried: Counter[str] = Counter()
    survived: Counter[str] = Counter()
    with tempfile.TemporaryDirectory(prefix="ovapi-mutants-") as folder:
        tree = Path(folder) / "tree"
        shutil.copytree(ROOT, tree, ignore=NOT_COPIED, symlinks=True)
        checks = {package: baseline(tree, package) for package in {one for one, _ in sample}}
        for package, mutant in sample:
            if time.monotonic() > deadline:
                break
            difference = survives(tree, mutant, checks[package])
            tried[package] += 1
            survived[package] += bool(difference)
            print(difference or f"killed: {mutant}", flush=True)
    for package in packages:
        killed = tried[package] - survived[package]
        print(f"{package}: {killed} of {tried[package]} mutants killed")


def main() -> None:
    parser = argparse.ArgumentParser(prog="mutate", description=__doc__)
    parser.add_argument("packages", nargs="*", default=list(TESTS), help="of " + ", ".join(TESTS))
    parser.add_argument("--mutants", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--minutes", type=float, default=120.0)
    given = parser.parse_args()
    if unknown := set(given.packages) - TESTS.keys():
        parser.error(f"no tests are known for {', '.join(sorted(unknown))}")
    run(given.packages, given.mutants, given.seed, given.minutes)


if __name__ == "__main__":
    main()
