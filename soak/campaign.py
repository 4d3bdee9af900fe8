"""Campaign: runs cases one after the other, each watched from before to after it."""

from __future__ import annotations

import asyncio
import math
import time
import traceback
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

from bench.server_process import ServerProcess
from soak.case import Case, NotApplicable
from soak.client.prompts import LONG, SURE, chat
from soak.client.streams import client_of, text_of
from soak.context import Options, SoakContext, SoakSettings, started
from soak.footprint import Footprint
from soak.probe import Period, Probe

SLOW_HEALTH, SLOWEST_HEALTH = 1.0, 3.0
"""Seconds, for 99 % of the answers and for all; the aim is 0.1, but a machine has more to do."""
SERVER_MIB, ENGINE_MIB = 64.0, 192.0
"""What each may keep after a case: allocators do, the prefix cache fills up, and OpenVINO keeps the
kernels that it compiles for new shapes. Whether that ends is what the mixed load shows."""
SETTLE_SECONDS = 10.0


@dataclass
class Outcome:
    """`before` and `after` are the server's footprints, `period` what its observer saw."""

    case: Case
    result: str = "passed"
    figures: str = ""
    seconds: float = 0.0
    before: Footprint | None = None
    after: Footprint | None = None
    period: Period | None = None


@dataclass
class Stage:
    """A running server with its observer."""

    server: ServerProcess
    probe: Probe


class Campaign:
    """An asynchronous context manager, which ends the server that cases share."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self._references: dict[str, str] = {}
        self._stack = AsyncExitStack()
        self._shared: Stage | None = None

    async def __aenter__(self) -> Campaign:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    async def run(self, case: Case) -> Outcome:
        outcome = Outcome(case)
        start = time.monotonic()
        try:
            await self._run(outcome)
        except NotApplicable as reason:
            outcome.result, outcome.figures = "not applicable", str(reason)
        except Exception as error:  # noqa: BLE001 a case may fail in any way
            traceback.print_exc()
            outcome.result = "failed"
            outcome.figures = f"{type(error).__name__}: {error}".split("\n")[0][:300]
        outcome.seconds = time.monotonic() - start
        return outcome

    async def _run(self, outcome: Outcome) -> None:
        case = outcome.case
        if case.alone:
            settings = SoakSettings(await self._known_references(), self._options)
            outcome.figures = await case.run(settings)
        elif case.config is None:
            await self._run_watched(outcome, await self._shared_stage())
        else:
            async with self._stage(case.config) as stage:
                await self._run_watched(outcome, stage)

    async def _shared_stage(self) -> Stage:
        if self._shared is None or self._shared.server.process.poll() is not None:
            self._shared = await self._stack.enter_async_context(self._stage(None))
        return self._shared

    async def _known_references(self) -> dict[str, str]:
        if not self._references:
            await self._shared_stage()
        return self._references

    @asynccontextmanager
    async def _stage(self, config: dict[str, Any] | None) -> AsyncIterator[Stage]:
        """A server that has answered a little, so that it has what it keeps."""
        with started(config) as server:
            answers = await ask_for_references(server.url)
            self._references = self._references or answers
            probe = await Probe.start(server.url)
            try:
                yield Stage(server, probe)
            finally:
                await probe.close()

    async def _run_watched(self, outcome: Outcome, stage: Stage) -> None:
        server = stage.server
        outcome.before = Footprint.of(server)
        await stage.probe.begin()
        try:
            async with client_of(server.url) as client:
                context = SoakContext(self._references, self._options, server, client)
                outcome.figures = await outcome.case.run(context)
        finally:
            outcome.period = await stage.probe.end()
        check_period(outcome.period)
        outcome.after = await settled(server, outcome.before)


async def ask_for_references(url: str) -> dict[str, str]:
    async with client_of(url) as client:
        return {text: await text_of(client, chat(text)) for text in (*SURE, LONG)}


def check_period(period: Period) -> None:
    assert not period.wrong, f"the neighbour's answer was wrong: {period.wrong[0]}"
    assert not period.unhealthy, f"/health failed: {period.unhealthy[0]}"
    assert period.answers or period.refused, "the neighbour got no answer"
    assert max(period.health) < SLOWEST_HEALTH, f"/health took {max(period.health):.2f} s"
    usual = percentile(period.health, 99)
    assert usual < SLOW_HEALTH, f"/health takes {usual:.2f} s"


async def settled(server: ServerProcess, before: Footprint) -> Footprint:
    """The footprint once it is that of before, within a margin. Slots must be free at once."""
    await asyncio.to_thread(server.wait_idle, seconds=2)
    deadline = time.monotonic() + SETTLE_SECONDS
    while (now := Footprint.of(server)).excess(before, SERVER_MIB, ENGINE_MIB):
        assert time.monotonic() < deadline, now.excess(before, SERVER_MIB, ENGINE_MIB)
        await asyncio.sleep(0.1)
    return now


def percentile(seconds: Sequence[float], share: int) -> float:
    """The least that `share` of a hundred do not exceed."""
    return sorted(seconds)[max(0, math.ceil(len(seconds) * share / 100) - 1)]
