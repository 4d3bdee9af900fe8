"""How one model comes into memory and goes, and how several share a budget."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ovapi.config.settings import ModelConfig
from ovapi.engine.base import EngineState
from ovapi.errors import (
    DeadlineExceeded,
    ModelFailed,
    ModelLoading,
    NoMemory,
    PermissionDenied,
    QueueFull,
)
from ovapi.serving.life.lifecycle import REQUEST, START, ModelLifecycle
from ovapi.serving.life.memory_budget import MemoryBudget
from ovapi.serving.model import Model
from tests.support.api import until
from tests.support.fake_engine import FakeEngine


class Engines:
    """Makes engines and keeps them, the present one last."""

    def __init__(self) -> None:
        self.made: list[FakeEngine] = []

    def __call__(self) -> FakeEngine:
        self.made.append(FakeEngine("unloaded"))
        return self.made[-1]

    @property
    def last(self) -> FakeEngine:
        return self.made[-1]


class House:
    """Some models named a, b, … that take `size` each, with a budget."""

    def __init__(self, count: int, limit: int | None = None, size: int = 10, **entry: Any) -> None:
        self.engines = [Engines() for _ in range(count)]
        self.models = [
            Model(ModelConfig(name, Path(name), load="lazy", **entry), engines(), engines)
            for name, engines in zip("abcdef", self.engines, strict=False)
        ]
        self.budget = MemoryBudget(lambda: (one.lifecycle for one in self.models), limit)
        for model in self.models:
            model.lifecycle.room = self.budget
            model.lifecycle.estimate = lambda: size

    @property
    def lifecycles(self) -> list[ModelLifecycle]:
        return [model.lifecycle for model in self.models]

    @property
    def present(self) -> str:
        return "".join(one.name for one in self.models if one.lifecycle.present)

    async def use(self, number: int) -> None:
        """A request that comes, has the model loaded and ends."""
        lifecycle = self.lifecycles[number]
        with lifecycle.use():
            waiter = self.models[number].arrival(1, None)
            if waiter is not None:
                engines = self.engines[number]
                await until(lambda: engines.last.state.status == "loading" or waiter.done())
                if not waiter.done():
                    engines.last.become("ready")
                await waiter


async def test_many_requests_share_one_load() -> None:
    house = House(1)
    (model,), (engines,) = house.models, house.engines
    with model.lifecycle.use():
        waiters = [model.arrival(2, None) for _ in range(3)]
        assert model.lifecycle.waiting == 6
        assert model.stats.waiting == 6
        engines.last.become("ready")
        for waiter in waiters:
            assert waiter is not None
            await waiter
    assert model.lifecycle.waiting == 0
    assert model.arrival(1, None) is None
    assert len(engines.made) == 1
    assert model.lifecycle.loads == {REQUEST: 1}


async def test_who_waits_for_the_load_is_in_the_queue() -> None:
    (model,) = House(1, max_running=1, max_queued=2).models
    model.arrival(2, None)
    with pytest.raises(QueueFull, match="2 of 3 requests"):
        model.arrival(2, None)
    assert model.lifecycle.waiting == 2


async def test_a_wait_has_an_end_and_the_load_goes_on() -> None:
    house = House(1, load_wait_seconds=0.02)
    (lifecycle,) = house.lifecycles
    with lifecycle.use():
        with pytest.raises(ModelLoading) as caught:
            await lifecycle.wait(1)
        assert caught.value.retry_after
        with pytest.raises(DeadlineExceeded):
            await lifecycle.wait(1, asyncio.get_running_loop().time() + 0.01)
        assert (lifecycle.waiting, lifecycle.engine.state.status) == (0, "loading")
        house.engines[0].last.become("ready")
        assert lifecycle.available


async def test_without_patience_the_refusal_comes_at_once_and_the_load_begins() -> None:
    (lifecycle,) = House(1, load_wait_seconds=0).lifecycles
    with pytest.raises(ModelLoading):
        lifecycle.check()
    with pytest.raises(ModelLoading):
        lifecycle.wait(1)
    assert lifecycle.engine.state.status == "loading"


async def test_a_load_at_the_start_is_not_waited_for() -> None:
    (lifecycle,) = House(1).lifecycles
    lifecycle.load(START)
    with pytest.raises(ModelLoading, match="still loading"):
        lifecycle.wait(1)


async def test_a_failed_load_fails_those_that_wait_and_those_that_come() -> None:
    house = House(1)
    (lifecycle,) = house.lifecycles
    with lifecycle.use():
        waiter = lifecycle.wait(1)
        house.engines[0].last.become("failed", "no weights")
        with pytest.raises(ModelFailed, match="no weights"):
            await waiter
        with pytest.raises(ModelFailed):
            lifecycle.wait(1)


async def test_an_idle_model_leaves_after_its_time_and_comes_again() -> None:
    house = House(1, keep_alive=0.05)
    (lifecycle,), (engines,) = house.lifecycles, house.engines
    await house.use(0)
    with lifecycle.use():
        await asyncio.sleep(0.1)
        assert lifecycle.available
    await until(lambda: not lifecycle.present)
    assert engines.made[0].state.status == "stopped"
    assert lifecycle.unloads == {"idle": 1}
    await house.use(0)
    assert len(engines.made) == 2


async def test_a_client_that_leaves_during_the_load_leaves_a_model_that_leaves_too() -> None:
    house = House(1, keep_alive=0.02)
    (lifecycle,) = house.lifecycles
    with lifecycle.use():
        waiter = lifecycle.wait(1)
        waiter.set_exception(ConnectionError())
        with pytest.raises(ConnectionError):
            await waiter
    assert lifecycle.waiting == 0
    house.engines[0].last.become("ready")
    await until(lambda: not lifecycle.present)


async def test_a_request_changes_the_time_for_this_stay() -> None:
    house = House(1, keep_alive=60.0)
    (lifecycle,) = house.lifecycles
    await house.use(0)
    assert 59 < (lifecycle.expires_in or 0) <= 60
    lifecycle.stay(None)
    assert lifecycle.expires_in is None
    lifecycle.stay(0.01)
    await until(lambda: not lifecycle.present)
    await house.use(0)
    assert 59 < (lifecycle.expires_in or 0) <= 60, "it ends with its time"


async def test_a_request_does_not_shorten_what_others_have_asked_for() -> None:
    house = House(1, keep_alive=0.05)
    (lifecycle,) = house.lifecycles
    with lifecycle.use("alice"):
        waiter = lifecycle.wait(1)
        house.engines[0].last.become("ready")
        await waiter
        lifecycle.stay(60.0, "alice")
    with lifecycle.use("bob"):
        lifecycle.stay(0.0, "bob")
    await lifecycle.dismiss("bob")
    assert 59 < (lifecycle.expires_in or 0) <= 60
    assert lifecycle.available
    await lifecycle.dismiss("alice")
    assert not lifecycle.present


@pytest.mark.parametrize("policy", ["lease", "ignore"])
async def test_a_model_that_stays_is_not_for_requests_to_unload(policy: str) -> None:
    house = House(1, keep_alive=None if policy == "lease" else 60.0)
    (lifecycle,) = house.lifecycles
    lifecycle.configure(replace(lifecycle.config, keep_alive_requests=policy))
    await house.use(0)
    before = lifecycle.expires_in
    lifecycle.stay(0.0)
    assert before is lifecycle.expires_in is None or 59 < (lifecycle.expires_in or 0) <= 60
    with pytest.raises(PermissionDenied, match="keeps the model"):
        await lifecycle.dismiss()
    assert lifecycle.available


async def test_where_requests_are_obeyed_the_last_one_decides() -> None:
    house = House(1)
    (lifecycle,) = house.lifecycles
    lifecycle.configure(replace(lifecycle.config, keep_alive_requests="obey"))
    await house.use(0)
    lifecycle.stay(None, "alice")
    assert lifecycle.expires_in is None
    lifecycle.stay(0.0, "bob")
    await until(lambda: not lifecycle.present)


async def test_a_dismissed_model_leaves_after_its_requests() -> None:
    house = House(1, keep_alive=60.0)
    (lifecycle,) = house.lifecycles
    await lifecycle.dismiss()
    assert not lifecycle.unloads, "it was not there"
    await house.use(0)
    with lifecycle.use():
        await lifecycle.dismiss()
        assert lifecycle.available
    await until(lambda: not lifecycle.present)
    await house.use(0)
    await lifecycle.dismiss()
    assert not lifecycle.present
    assert lifecycle.unloads == {"request": 2}


async def test_a_request_during_the_unload_waits_for_it_and_loads_again() -> None:
    house = House(1)
    (lifecycle,), (engines,) = house.lifecycles, house.engines
    await house.use(0)
    leaving = lifecycle.unload("idle")
    with lifecycle.use():
        waiter = lifecycle.wait(1)
        await until(lambda: len(engines.made) == 2 and engines.last.state.status == "loading")
        engines.last.become("ready")
        await waiter
    assert leaving.done()


async def test_the_states_that_others_see() -> None:
    house = House(1, keep_alive=60.0)
    (lifecycle,) = house.lifecycles
    seen: list[str] = []

    def note(state: EngineState) -> None:
        seen.append(state.status)

    lifecycle.on_state = note
    await house.use(0)
    await lifecycle.dismiss()
    await lifecycle.close()
    assert seen == ["loading", "ready", "unloaded", "stopped"]


class TestBudget:
    async def test_who_was_used_least_lately_makes_way(self) -> None:
        house = House(3, limit=20)
        await house.use(0)
        await house.use(1)
        await house.use(0)
        await house.use(2)
        assert house.present == "ac"
        assert house.lifecycles[1].unloads == {"memory": 1}

    async def test_nobody_makes_way_in_vain(self) -> None:
        house = House(3, limit=20)
        await house.use(0)
        await house.use(1)
        house.lifecycles[2].estimate = lambda: 20
        with house.lifecycles[0].use(), pytest.raises(NoMemory, match="in use") as caught:
            await house.use(2)
        assert (house.present, caught.value.retry_after) == ("ab", 10)
        await house.use(2)
        assert house.present == "c"

    async def test_what_can_never_fit_says_so(self) -> None:
        with pytest.raises(NoMemory, match="exceeds the memory budget"):
            await House(1, limit=9).use(0)

    async def test_what_loads_counts_and_stays(self) -> None:
        house = House(2, limit=10)
        house.lifecycles[0].load(REQUEST)
        with pytest.raises(NoMemory):
            await house.use(1)
        assert house.present == "a"

    async def test_the_start_takes_what_is_free(self) -> None:
        house = House(3, limit=20)
        for lifecycle in house.lifecycles:
            lifecycle.load(START)
        assert house.present == "ab"
        house.lifecycles[2].check()  # it can be asked for
