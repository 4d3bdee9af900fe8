"""What OpenVINO is told of its own accord, and what that does."""

from __future__ import annotations

import pytest

from ovapi.core import TokenPrompt
from ovapi.engine.base import EngineSpec
from ovapi.engine.genai.device import KERNELS, properties
from ovapi.serving.metrics.process_memory import resident_bytes
from tests.support.driver import DEMO, TOKEN_BYTES, Driver

CACHE = "CPU_RUNTIME_CACHE_CAPACITY"


@pytest.mark.parametrize("device", ["CPU", "cpu"])
def test_the_kernels_of_a_cpu_are_bounded(device: str) -> None:
    assert properties(EngineSpec("demo", DEMO, device=device))[CACHE] == KERNELS


@pytest.mark.parametrize("device", ["GPU", "NPU", "AUTO:GPU,CPU", "HETERO:CPU"])
def test_another_device_is_not_told_of_them(device: str) -> None:
    assert CACHE not in properties(EngineSpec("demo", DEMO, device=device))


def test_a_configured_bound_wins() -> None:
    assert properties(EngineSpec("demo", DEMO, properties={CACHE: 5}))[CACHE] == 5


async def test_prompts_of_ever_new_lengths_leave_no_memory_behind() -> None:
    """Each has kernels of its own, of which a MiB and more would stay if all were kept."""
    driver = await Driver.started("batching", cache_bytes=2048 * TOKEN_BYTES)
    assert driver.engine.state.info is not None

    async def memory_after(first: int, last: int) -> float:
        for length in range(first, last):
            prompt = TokenPrompt(tuple(20 + (length * place) % 200 for place in range(1, length)))
            await driver.ask(prompt, max_tokens=2)
        used = resident_bytes(driver.engine.state.info.pid)
        assert used is not None
        return used / 2**20

    before = await memory_after(300, 320)
    assert await memory_after(320, 370) - before < 40
    await driver.close()
