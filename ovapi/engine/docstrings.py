"""Keeps the docstrings of packages that cannot be imported without them.

`python -OO` and PYTHONOPTIMIZE=2 strip docstrings; openvino_tokenizers puts its own together out
of them while it is imported, and fails.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from types import CodeType, ModuleType

PACKAGES = ("openvino_tokenizers",)


class _WithDocstrings(SourceFileLoader):
    """Compiles the source anew, since what Python has cached has none."""

    def get_code(self, fullname: str) -> CodeType:
        path = self.get_filename(fullname)
        code: CodeType = compile(self.get_data(path), path, "exec", dont_inherit=True, optimize=1)
        return code


class _Finder:
    @staticmethod
    def find_spec(
        name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if name.partition(".")[0] not in PACKAGES:
            return None
        spec = PathFinder.find_spec(name, path, target)
        if spec is not None and type(spec.loader) is SourceFileLoader:
            spec.loader = _WithDocstrings(spec.loader.name, spec.loader.path)
        return spec


def keep_docstrings() -> None:
    """Where this interpreter strips docstrings, have it import `PACKAGES` with them."""
    if sys.flags.optimize > 1 and _Finder not in sys.meta_path:
        sys.meta_path.insert(0, _Finder)
