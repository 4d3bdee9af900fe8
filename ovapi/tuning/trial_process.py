"""A process for one trial: ``python -m ovapi.tuning.trial_process --parent PID``.

It takes a pickled Trial from standard input, loads the model, measures, and writes a pickled
TrialResult to standard output.
"""

from __future__ import annotations

import argparse
import os
import pickle
import sys

from ovapi import logs
from ovapi.engine.process.worker import die_with
from ovapi.tuning.trial import run


def main() -> None:
    parser = argparse.ArgumentParser(prog="ovapi.tuning.trial_process")
    parser.add_argument("--parent", type=int, required=True)
    die_with(parser.parse_args().parent)
    trial = pickle.load(sys.stdin.buffer)
    output = os.dup(1)
    os.dup2(2, 1)  # what OpenVINO prints must not get into the result
    logs.configure(trial.spec.log_level, trial.spec.log_format)
    with open(output, "wb") as file:
        pickle.dump(run(trial), file)
    os._exit(0)


if __name__ == "__main__":
    main()
