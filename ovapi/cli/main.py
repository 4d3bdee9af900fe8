"""The command line: its arguments, and which command they ask for."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from ovapi import __version__, signals
from ovapi.cli import tune
from ovapi.cli.check import check
from ovapi.cli.serve import serve
from ovapi.config.loader import load
from ovapi.config.settings import Config
from ovapi.config.yaml_document import ConfigError
from ovapi.log_writer import occupy_standard_descriptors


def main(argv: list[str] | None = None) -> int:
    """Run the command line; the exit status: 0 done, 1 failed, 2 wrong usage or configuration."""
    occupy_standard_descriptors()
    options = _parser().parse_args(argv)
    path = _config_path(options.config)
    if options.command is not None or options.check:
        signals.release()

    def read() -> Config:
        return load(path, options.host, options.port)

    try:
        config = read()
    except ConfigError as error:
        print(error, file=sys.stderr)
        return 2
    if options.command == "tune":
        return tune.run(config, options)
    if options.check:
        return check(config)
    return serve(config, read)


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
    tune.add_command(parser.add_subparsers(title="commands", dest="command"))
    parser.add_argument("--version", action="version", version=f"ovapi {__version__}")
    return parser


def _port(text: str) -> int:
    """The system would take a number that is too large for another one."""
    if not (text.isdecimal() and len(text) < 6 and int(text) < 2**16):
        raise argparse.ArgumentTypeError("must be a number from 0 to 65535")
    return int(text)


def _config_path(given: Path | None) -> Path | None:
    here = Path("config.yaml")
    return here if given is None and here.exists() else given
