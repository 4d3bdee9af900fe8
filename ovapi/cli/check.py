"""``--check``: what a configuration would serve, and what is wrong with it."""

from __future__ import annotations

from ovapi.config.host import shown
from ovapi.config.settings import MODEL_FILE, Config, ModelConfig
from ovapi.serving import tuning_profile as profile

MIB = 2**20


def check(config: Config) -> int:
    """Print what would be served where; 2 if a model is not there."""
    scheme = "https" if config.server.tls else "http"
    print(f"listen on {scheme}://{shown(config.server.host)}:{config.server.port}")
    if config.memory_budget is not None:
        print(f"memory budget: {config.memory_budget / MIB:.0f} MiB")
    for notice in config.notices:
        print(notice)
    problems = [_check_model(config, model) for model in config.models]
    if not config.models:
        print("no models")
    return 2 if any(problems) else 0


def _check_model(config: Config, model: ModelConfig) -> bool:
    exists = (model.path / MODEL_FILE).is_file()
    rest = _lifecycle(config, model) if exists else f": {model.path} has no {MODEL_FILE}"
    print(f"model {model.name} on {model.device} ({model.engine} engine){rest}")
    if exists:
        print(f"  language: {_language(model)}")
    choice = profile.choose(config, model)
    for reason in choice.ignored:
        print(f"  {reason}: ignored")
    print(f"  profile: {choice.profile or 'none'}")
    return not exists


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
