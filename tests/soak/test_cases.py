"""The quick cases of the campaign (`soak/`): all but those that take minutes, or many servers."""

from __future__ import annotations

import asyncio

import pytest

from bench.server_process import ServerProcess
from soak.campaign import ask_for_references, settled
from soak.case import Case
from soak.cases import ALL
from soak.client.streams import client_of
from soak.context import Options, SoakContext, SoakSettings, started
from soak.footprint import Footprint


@pytest.fixture(scope="module")
def ground(batching_server: ServerProcess) -> SoakSettings:
    return SoakSettings(asyncio.run(ask_for_references(batching_server.url)), Options())


@pytest.mark.parametrize("case", [c for c in ALL if c.quick], ids=lambda c: f"{c.number} {c.title}")
async def test_the_server_survives(
    case: Case, ground: SoakSettings, batching_server: ServerProcess
) -> None:
    if case.alone:
        await case.run(ground)
    elif case.config is None:
        await survive(case, ground, batching_server)
    else:
        with started(case.config) as server:
            await survive(case, ground, server)


async def survive(case: Case, ground: SoakSettings, server: ServerProcess) -> None:
    before = Footprint.of(server)
    async with client_of(server.url) as client:
        await case.run(SoakContext(ground.references, ground.options, server, client))
    await settled(server, before)


def test_no_case_is_forgotten() -> None:
    assert {case.number for case in ALL} == set(range(1, 43))
