"""``python -m soak``: runs the campaign and prints its table; exit status 1 if a case fails."""

from __future__ import annotations

import argparse
import asyncio
import sys
from pathlib import Path

from soak.campaign import Campaign, Outcome
from soak.case import Case
from soak.cases import ALL
from soak.context import Options
from soak.table import row, table


def main() -> int:
    arguments = parse()
    outcomes = asyncio.run(run(chosen(arguments.only), Options(arguments.kills, arguments.minutes)))
    text = table(outcomes)
    print(text)
    if arguments.markdown:
        arguments.markdown.write_text(text + "\n")
    return int(any(outcome.result == "failed" for outcome in outcomes))


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="soak", description=__doc__)
    parser.add_argument("--only", help="numbers of cases, such as 9,10")
    parser.add_argument("--minutes", type=float, default=5.0, help="of mixed load")
    parser.add_argument("--kills", type=int, default=20, help="of engine processes")
    parser.add_argument("--markdown", type=Path, help="a file for the table")
    return parser.parse_args()


def chosen(only: str | None) -> list[Case]:
    if only is None:
        return ALL
    numbers = {int(number) for number in only.split(",")}
    return [case for case in ALL if case.number in numbers]


async def run(cases: list[Case], options: Options) -> list[Outcome]:
    outcomes = []
    async with Campaign(options) as campaign:
        for case in cases:
            outcomes.append(await campaign.run(case))
            print(row(outcomes[-1]), file=sys.stderr, flush=True)
    return outcomes


if __name__ == "__main__":
    sys.exit(main())
