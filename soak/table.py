"""The outcomes of a campaign as a Markdown table."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from soak.campaign import Outcome, percentile

HEAD = (
    "| | Case | Result | Figures | /health: half, 99 %, worst (ms) | Answers beside it "
    "| Memory: server, engine (MiB) | Seconds |\n"
    "|---|---|---|---|---|---|---|---|"
)


def table(outcomes: Sequence[Outcome]) -> str:
    return "\n".join((HEAD, *map(row, outcomes), "", summary(outcomes)))


def row(outcome: Outcome) -> str:
    cells = (
        str(outcome.case.number),
        outcome.case.title,
        outcome.result,
        outcome.figures.replace("|", "\\|").replace("\n", " "),
        _health(outcome),
        _answers(outcome),
        _memory(outcome),
        f"{outcome.seconds:.0f}",
    )
    return f"| {' | '.join(cells)} |"


def summary(outcomes: Sequence[Outcome]) -> str:
    return ", ".join(_counts(outcomes)) + "."


def _counts(outcomes: Sequence[Outcome]) -> Iterator[str]:
    for result in ("passed", "failed", "not applicable"):
        count = sum(outcome.result == result for outcome in outcomes)
        yield f"{count} {result}"


def _health(outcome: Outcome) -> str:
    if outcome.period is None or not outcome.period.health:
        return ""
    seconds = outcome.period.health
    figures = (percentile(seconds, 50), percentile(seconds, 99), max(seconds))
    return ", ".join(f"{1000 * figure:.0f}" for figure in figures)


def _answers(outcome: Outcome) -> str:
    period = outcome.period
    if period is None:
        return ""
    return f"{period.answers}" + (f" and {period.refused} refused" if period.refused else "")


def _memory(outcome: Outcome) -> str:
    before, after = outcome.before, outcome.after
    if before is None or after is None:
        return ""
    return f"{after.server - before.server:+.0f}, {after.engines - before.engines:+.0f}"
