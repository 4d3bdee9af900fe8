"""``--check``: what a configuration would serve, and what is wrong with it."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

from ovapi.config.settings import Config, ModelConfig
from ovapi.config.values.host import shown
from ovapi.serving import tuning_profile as profile

MIB = 2**20


def check(config: Config) -> int:
    """Print what would be served where; 2 if a model or its folder is not there, 1 if nobody can
    read it."""
    problems = [_problem_of_model(model) for model in config.models]
    lines = [*_server(config)]
    for model, problem in zip(config.models, problems, strict=True):
        lines += _model(config, model, problem)
    if not _printed(lines):
        return 1
    missing = not config.models_dir.readable and "models_dir" in config.written
    return 2 if missing or any(problems) else 0


def _printed(lines: list[str]) -> bool:
    """False, with a message, if standard output takes no more: a full disk, a closed pipe."""
    if sys.stdout is None:
        return True
    try:
        data = "".join(f"{line}\n" for line in lines).encode("utf-8", "backslashreplace")
        sys.stdout.buffer.write(data)
        sys.stdout.flush()
    except OSError as error:
        print(f"cannot write to standard output: {error.strerror}", file=sys.stderr)
        # what is left in the buffer would be written, in vain, at the exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return False
    return True


def _server(config: Config) -> Iterator[str]:
    scheme = "https" if config.server.tls else "http"
    yield f"listen on {scheme}://{shown(config.server.host)}:{config.server.port}"
    if config.memory_budget is not None:
        yield f"memory budget: {config.memory_budget / MIB:.0f} MiB"
    yield from config.notices
    if not config.models:
        yield "no models"


def _model(config: Config, model: ModelConfig, problem: str | None) -> Iterator[str]:
    rest = f": {problem}" if problem else _lifecycle(config, model)
    yield f"model {model.name} on {model.device} ({model.engine} engine){rest}"
    if not problem:
        yield f"  language: {_language(model)}"
    choice = profile.choose(config, model)
    for reason in choice.ignored:
        yield f"  {reason}: ignored"
    yield f"  profile: {choice.profile or 'none'}"


def _problem_of_model(model: ModelConfig) -> str | None:
    """What keeps it from being loaded, as far as its files tell; also those of its draft model and
    its adapter."""
    draft = model.speculation.draft if model.speculation is not None else None
    folders = [model.path, draft] if draft is not None else [model.path]
    problems = filter(None, map(_problem_of_folder, folders))
    if found := next(problems, None):
        return found
    if model.adapter is not None and not os.path.exists(model.adapter.path):
        return f"{model.adapter.path} does not exist"
    return None


def _problem_of_folder(folder: Path) -> str | None:
    from ovapi.engine.load_error import LoadError
    from ovapi.engine.model_files import ModelFiles

    try:
        ModelFiles.read(folder)
    except LoadError as error:
        return f"{folder}: {error}"
    except OSError as error:
        return f"{folder}: {error.strerror}"
    return None


def _language(model: ModelConfig) -> str:
    """The family, and what it can do."""
    from ovapi.serving.language_metadata import language_of

    language = language_of(model)
    family = language.family
    how = "told by a system message, " if language.taught else ""
    tools = f"tools ({how}format {family.tools})" if language.calls else "no tools"
    named = f" (format {family.reasoning})" if family.reasoning else ""
    return f"{family.name}, {tools}, {f'thinking{named}' if language.thinks else 'no thinking'}"


def _lifecycle(config: Config, model: ModelConfig) -> str:
    """When it is in memory and, if that is limited, what it takes."""
    from ovapi.engine.memory_estimate import estimate_memory
    from ovapi.serving.model_manager import engine_spec

    when = "loads at startup" if model.load == "eager" else "loads on the first request"
    stays = (
        "stays loaded" if model.keep_alive is None else f"unloads after {model.keep_alive:g} s idle"
    )
    if config.memory_budget is None:
        return f", {when}, {stays}"
    size = estimate_memory(engine_spec(config, model))
    warning = ", EXCEEDS THE MEMORY BUDGET" if size > config.memory_budget else ""
    return f", {when}, {stays}, needs about {size / MIB:.0f} MiB{warning}"
