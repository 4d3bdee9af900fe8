"""``python -m ovapi tune``: finds the properties with which a model is served best here."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from ovapi.config.settings import Config, ModelConfig
from ovapi.engine.base import EngineSpec
from ovapi.engine.process.child import environment
from ovapi.serving import tuning_profile as profiles
from ovapi.serving.model_manager import engine_spec
from ovapi.serving.tuning_profile import Profile
from ovapi.tuning.search import Candidate, Search
from ovapi.tuning.space import BATCHED, Setting, Space
from ovapi.tuning.trial import Trial, TrialResult

_BAR = 30
_ROWS = 12


class TuneError(Exception):
    """A model cannot be tuned; ``str(error)`` is for people."""


@dataclass(slots=True)
class Trials:
    """Measures settings of a model, each in a process of its own, and shows how far it is."""

    config: Config
    entry: ModelConfig
    budget: float
    seconds: float
    default: TrialResult | None = None
    count: int = 0
    patience: float = 600.0
    started: float = field(default_factory=time.monotonic)

    def __call__(self, setting: Setting) -> TrialResult:
        self._show(setting)
        answers = self.default.answers if self.default is not None else ()
        trial = Trial(self._spec(setting), self.seconds, answers)
        start = time.monotonic()
        result = _run(pickle.dumps(trial), self.patience)
        if self.default is None:
            self.default = result
            # a setting may be slow, but not without end
            self.patience = 10 + 3 * (time.monotonic() - start)
        self.count += 1
        return result

    def _spec(self, setting: Setting) -> EngineSpec:
        given = dict(setting)
        batched = given.pop(BATCHED, None) or self.entry.max_batched_tokens
        entry = replace(
            self.entry,
            properties={**self.entry.properties, **given},
            max_batched_tokens=batched,
        )
        # what is compiled for a trial would only fill the cache
        config = replace(self.config, compile_cache=None)
        return replace(engine_spec(config, entry), log_level="CRITICAL")

    def _show(self, setting: Setting) -> None:
        """A bar that is written over on a terminal, else a line a trial."""
        part = min(1.0, (time.monotonic() - self.started) / self.budget)
        tried = ", ".join(f"{name}={value}" for name, value in setting.items()) or "the defaults"
        if sys.stderr.isatty():
            bar = ("#" * int(part * _BAR)).ljust(_BAR, ".")
            line = f"[{bar}] {part:4.0%}  trial {self.count + 1}: {tried}"
            width = os.get_terminal_size(sys.stderr.fileno()).columns
            print(f"\r\x1b[K{line[: width - 1]}", end="", file=sys.stderr, flush=True)
        else:
            print(f"{part:4.0%} trial {self.count + 1}: {tried}", file=sys.stderr, flush=True)


def _run(trial: bytes, patience: float) -> TrialResult:
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "ovapi.tuning.trial_process", f"--parent={os.getpid()}"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=None if sys.stderr.isatty() else subprocess.DEVNULL,
        env=environment(),
    )
    with process:
        try:
            output, _ = process.communicate(trial, timeout=patience)
        except subprocess.TimeoutExpired:
            process.kill()
            return TrialResult(error=f"no result within {patience:.0f} s")
        except BaseException:
            process.kill()
            raise
    if process.returncode or not output:
        return TrialResult(error=f"the process exited with status {process.returncode}")
    result: TrialResult = pickle.loads(output)
    return result


def tune(config: Config, name: str, objective: str, budget: float, agreement: float) -> Path:
    """Find the best properties, print a table, write the profile; its file. Raises TuneError."""
    entry = _entry(config, name)
    file = profiles.file_of(config, entry, objective)
    _check_writable(file)
    trials = Trials(config, entry, budget, seconds=min(1.5, max(0.2, budget / 200)))
    search = Search(trials, objective, agreement, budget)
    default = search.begin()
    if default.result.figures is None:
        raise TuneError(f"the model cannot be measured: {default.result.error}")
    search.run(_space(default.result, entry))
    confirmed = search.confirm()
    if sys.stderr.isatty():
        print("\r\x1b[K", end="", file=sys.stderr)
    best = search.best
    if confirmed is not None and (confirmed.score or 0.0) <= 1.0:
        best = default
    print("\n".join(_table(search, agreement)))
    print(_verdict(best, confirmed, objective))
    _profile(entry, objective, best, confirmed, default).write(file)
    print(f"written to {file}")
    return file


def _entry(config: Config, name: str) -> ModelConfig:
    for entry in config.models:
        if name in (entry.name, *entry.aliases):
            break
    else:
        known = ", ".join(entry.name for entry in config.models) or "none"
        raise TuneError(f"unknown model '{name}'; known models: {known}")
    if entry.adapter is not None:
        raise TuneError(f"'{name}' is an adapter: tune '{entry.parent}', whose profile it shares")
    if entry.engine == "simple" or entry.device.upper().startswith("NPU"):
        raise TuneError(f"'{name}' uses the simple engine, which has nothing to tune")
    return entry


def _check_writable(file: Path) -> None:
    """Before the work, not after it."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.with_suffix(".part").touch()
    except OSError as error:
        raise TuneError(f"{file.parent} cannot be written: {error.strerror}") from None


def _space(default: TrialResult, entry: ModelConfig) -> Space:
    """What the model's own entry sets is not ours to change."""
    fixed = dict(entry.properties)
    if entry.max_batched_tokens is not None:
        fixed[BATCHED] = entry.max_batched_tokens
    assert default.defaults is not None
    return Space(default.defaults, default.capabilities, fixed)


def _table(search: Search, agreement: float) -> Iterator[str]:
    """The best first; the default stands among them; those that must not be used come last."""
    ranked = sorted(search.candidates, key=lambda one: one.score or 0.0, reverse=True)
    usable = [one for one in ranked if one.score]
    shown = usable[:_ROWS]
    if search.default not in shown:
        shown.append(search.default)
    yield "Tokens per second: prompt, 1 stream, 8 streams, and 1 stream beside long prompts."
    yield ""
    yield f"{'score':>6} {'prompt':>8} {'1':>8} {'8':>8} {'beside':>8} {'agrees':>7}  properties"
    for one in shown:
        figures = one.result.figures
        assert figures is not None
        numbers = "".join(f" {value:8.1f}" for value in asdict(figures).values())
        yield f"{one.score:6.2f}{numbers} {one.result.agreement:7.1%}  {one.names}"
    for one in ranked[len(usable) :]:
        why = one.result.error or f"agreement {one.result.agreement:.1%}, below {agreement:.1%}"
        yield f"  rejected: {one.names}: {why}"
    yield f"{len(search.candidates)} settings tried; the best {min(_ROWS, len(usable))} are shown"


def _verdict(best: Candidate, confirmed: Candidate | None, objective: str) -> str:
    if not best.setting:
        return f"{objective}: no setting is clearly better than the defaults"
    gain = confirmed.score if confirmed is not None else best.score
    how = "measured again, " if confirmed is not None else ""
    return f"{objective}: {best.names}, {how}{gain:.2f} of the defaults"


def _profile(
    entry: ModelConfig,
    objective: str,
    best: Candidate,
    confirmed: Candidate | None,
    default: Candidate,
) -> Profile:
    properties = dict(best.setting)
    batched = properties.pop(BATCHED, None)
    figures = {
        "default": asdict(default.result.figures),  # type: ignore[arg-type]
        "this": asdict(best.result.figures),  # type: ignore[arg-type]
        "gain": confirmed.score if confirmed is not None and best.setting else best.score,
        "agreement": best.result.agreement,
    }
    made = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    fits = profiles.identity(entry)
    return Profile(objective, made, fits, properties, batched, figures)
