"""``tune``: finds the settings with which a model is served best on this machine."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from ovapi.config.settings import Config
from ovapi.serving import tuning_profile as profile


def add_command(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
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


def run(config: Config, options: argparse.Namespace) -> int:
    from ovapi.tuning.command import TuneError, tune

    try:
        tune(config, options.model, options.objective, options.budget, options.agreement)
    except TuneError as error:
        print(error, file=sys.stderr)
        return 1
    return 0
