"""Target: a server to send a load to."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from urllib.parse import urlsplit

from bench.figures import Figures
from bench.processes import listener
from bench.server_process import ROOT
from bench.workload import Run


@dataclass(frozen=True, slots=True)
class Target:
    """`pid` is that of the server's process, if it runs here."""

    url: str
    model: str
    pid: int | None = None

    def run(self, run: Run, *options: str) -> Figures:
        """What `bench.load` says of that load, in a process of its own."""
        work = run.workload
        command = [
            sys.executable, "-m", "bench.load", "--base-url", self.url, "--model", self.model,
            "--workload", work.kind, "--streams", str(run.streams), "--requests", str(run.requests),
            "--prompt-words", str(work.prompt_words), "--prefix-words", str(work.prefix_words),
            "--output-tokens", str(work.output_tokens), "--turns", str(work.turns),
            "--seed", str(work.seed), *options,
        ]  # fmt: skip
        if self.pid is not None:
            command += ["--pid", str(self.pid)]
        done = subprocess.run(command, check=True, cwd=ROOT, stdout=subprocess.PIPE)
        found: Figures = json.loads(done.stdout)
        return found


def peers(given: list[str], model: str) -> dict[str, Target]:
    """From `name=url`; all of them have to know the model's name or not to care."""
    named = dict(one.split("=", 1) for one in given)
    return {
        name: Target(url, model, listener(urlsplit(url).port or 80)) for name, url in named.items()
    }
