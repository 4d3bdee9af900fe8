"""Which tests need an engine: `make quick` leaves them out, and no other may start one.

A test needs one if its module imports a starter of engines, or if it is marked `engine`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest

STARTERS = {"ServerProcess", "Driver", "load_batching", "read_paged", "Stepper", "Contest"}
STARTS = re.compile(r"-m ovapi(\.engine\.process\.worker| tune| --config)")
"""In the command of a process that has an engine or will have one."""


class EngineGuard:
    """A plugin of pytest."""

    def __init__(self) -> None:
        self._allowed = True

    def watch(self, event: str, arguments: tuple[Any, ...]) -> None:
        """A hook of `sys.addaudithook`."""
        if event == "subprocess.Popen" and not self._allowed:
            command = arguments[1]
            text = command if isinstance(command, str) else " ".join(map(str, command))
            assert not STARTS.search(text), "a test that needs an engine is marked `engine`"

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        for item in items:
            if STARTERS & vars(item.module).keys():  # type: ignore[attr-defined]
                item.add_marker(pytest.mark.engine)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[None]:
        self._allowed = item.get_closest_marker("engine") is not None
        result = yield
        self._allowed = True
        return result
