"""FailedModels: has a model that could not be loaded tried again once its files are others."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Iterable, Iterator
from concurrent.futures import Executor, Future
from pathlib import Path

from ovapi.config.settings import ModelConfig
from ovapi.serving.model import Model

LOOK_SECONDS = 2.0
KINDS = {".xml", ".bin", ".json", ".jinja", ".safetensors"}
"""The suffixes of files that a model is loaded from."""

Stamp = frozenset[tuple[Path, int, int]]
"""Path, size and time of change in nanoseconds of each file."""


class FailedModels:
    """Belongs to the event loop's thread; files are looked at in `executor`, for a disk may hang.

    A change counts once two looks in a row have found the same, so that nothing half copied is
    loaded. `on_change` gets the models.
    """

    def __init__(self, executor: Executor, on_change: Callable[[Collection[Model]], None]) -> None:
        self._executor = executor
        self._on_change = on_change
        self._tried: dict[Model, Future[Stamp]] = {}
        self._seen: dict[Model, Stamp] = {}

    def loading(self, model: Model) -> None:
        """`model` is being loaded from its files as they are now."""
        self._tried[model] = self._executor.submit(stamp, model.config)
        self._seen.pop(model, None)

    def forget(self, model: Model) -> None:
        self._tried.pop(model, None)
        self._seen.pop(model, None)

    async def watch(self, models: Iterable[Model]) -> None:
        """Look at those of `models` that have failed, for ever."""
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            failed = [model for model in models if model.engine.state.status == "failed"]
            changed = [model for model in failed if await self._has_changed(model)]
            if changed:
                self._on_change(changed)

    async def _has_changed(self, model: Model) -> bool:
        loop = asyncio.get_running_loop()
        now = await loop.run_in_executor(self._executor, stamp, model.config)
        tried = await asyncio.wrap_future(self._tried[model])
        before, self._seen[model] = self._seen.get(model), now
        return before == now != tried


def stamp(config: ModelConfig) -> Stamp:
    """What the files of a model look like from outside. Blocks."""
    return frozenset(one for place in _places(config) for one in _stamps(place))


def _places(config: ModelConfig) -> Iterator[Path]:
    yield config.path
    if config.adapter is not None:
        yield config.adapter.path
    if config.speculation is not None and config.speculation.draft is not None:
        yield config.speculation.draft


def _stamps(place: Path) -> Iterator[tuple[Path, int, int]]:
    """Of a file, or of those in a folder; what cannot be read is as if it were not there."""
    try:
        files = list(place.iterdir()) if place.is_dir() else [place]
    except OSError:
        return
    for file in files:
        if file.suffix in KINDS:
            try:
                status = file.stat()
            except OSError:
                continue
            yield file, status.st_size, status.st_mtime_ns
