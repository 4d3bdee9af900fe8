"""The command line: ``python -m ovapi --config config.yaml``."""

from __future__ import annotations

import argparse
import asyncio
import logging
import sys
from collections.abc import Callable
from pathlib import Path

from ovapi import __version__, logs
from ovapi.config.loader import load
from ovapi.config.settings import MODEL_FILE, Config, ModelConfig
from ovapi.config.yaml_document import ConfigError
from ovapi.log_writer import occupy_standard_descriptors
from ovapi.serving import tuning_profile as profile
from ovapi.serving.metrics.process_memory import give_back_large_blocks

MIB = 2**20


def main(argv: list[str] | None = None) -> int:
    """Run the command line; the exit status: 0 done, 1 failed, 2 wrong usage or configuration."""
    occupy_standard_descriptors()
    options = _parser().parse_args(argv)
    path = _config_path(options.config)

    def read() -> Config:
        return load(path, options.host, options.port)

    try:
        config = read()
    except ConfigError as error:
        print(error, file=sys.stderr)
        return 2
    if options.command == "tune":
        return _tune(config, options)
    if options.check:
        return _check(config)
    return _serve(config, read)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m ovapi",
        description="An OpenAI-compatible API server for language models on OpenVINO.",
    )
    parser.add_argument(
        "--config",
        type=Path,
        help="configuration file (default: ./config.yaml, else the packaged one)",
    )
    parser.add_argument("--host", help="listen address; overrides server.host")
    parser.add_argument("--port", type=_port, help="listen port; overrides server.port")
    parser.add_argument(
        "--check", action="store_true", help="validate the configuration, list the models and exit"
    )
    parser.set_defaults(command=None)
    _add_tune(parser.add_subparsers(title="commands", dest="command"))
    parser.add_argument("--version", action="version", version=f"ovapi {__version__}")
    return parser


def _port(text: str) -> int:
    """The system would take a number that is too large for another one."""
    if not (text.isdecimal() and len(text) < 6 and int(text) < 2**16):
        raise argparse.ArgumentTypeError("must be a number from 0 to 65535")
    return int(text)


def _add_tune(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser(
        "tune",
        help="find the fastest settings for a model on this machine",
        description="Measure which OpenVINO properties serve a model best on this machine and save "
        "them as a profile, which the server then uses. Run it on an idle machine.",
    )
    parser.add_argument("--config", type=Path, default=argparse.SUPPRESS, help="configuration file")
    parser.add_argument("--model", required=True, help="name of the model")
    parser.add_argument(
        "--objective",
        choices=profile.OBJECTIVES,
        default="balanced",
        help="latency: one stream; throughput: eight streams; prefill: prompts; "
        "balanced (default): all of them",
    )
    parser.add_argument(
        "--budget",
        type=float,
        default=300,
        metavar="SECONDS",
        help="time limit (default: %(default)s)",
    )
    parser.add_argument(
        "--agreement",
        type=float,
        default=0.9,
        metavar="SHARE",
        help="share of greedy tokens that must match those of the defaults (default: %(default)s)",
    )


def _tune(config: Config, options: argparse.Namespace) -> int:
    from ovapi.tuning.command import TuneError, tune

    try:
        tune(config, options.model, options.objective, options.budget, options.agreement)
    except TuneError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def _config_path(given: Path | None) -> Path | None:
    here = Path("config.yaml")
    return here if given is None and here.exists() else given


def _check(config: Config) -> int:
    """Print what would be served where; 2 if a model is not there."""
    print(f"listen on http://{config.server.host}:{config.server.port}")
    if config.memory_budget is not None:
        print(f"memory budget: {config.memory_budget / MIB:.0f} MiB")
    problems = [_check_model(config, model) for model in config.models]
    if not config.models:
        print("no models")
    return 2 if any(problems) else 0


def _check_model(config: Config, model: ModelConfig) -> bool:
    exists = (model.path / MODEL_FILE).is_file()
    rest = _lifecycle(config, model) if exists else f": {model.path} has no {MODEL_FILE}"
    print(f"model {model.name} on {model.device} ({model.engine} engine){rest}")
    choice = profile.choose(config, model)
    for reason in choice.ignored:
        print(f"  {reason}: ignored")
    print(f"  profile: {choice.profile or 'none'}")
    return not exists


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


def _serve(config: Config, read: Callable[[], Config]) -> int:
    logs.configure(config.logging.level, logs.choose(config.logging.format))
    give_back_large_blocks()
    try:
        asyncio.run(_run(config, read))
    except OSError as error:
        where = f"{config.server.host}:{config.server.port}"
        logging.getLogger("ovapi").error("cannot listen on %s: %s", where, error.strerror)
        return 1
    return 0


async def _run(config: Config, read: Callable[[], Config]) -> None:
    from ovapi.server import Server  # after the arguments are read: --help stays quick

    await Server(config, read).run()


if __name__ == "__main__":
    sys.exit(main())
