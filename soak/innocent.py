"""Kills at any moment under every kind of request: none is lost, doubled or wrong."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import random
import signal
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import httpx
import psutil

from bench.server_process import DEMO
from soak.case import case
from soak.client.bodies import CHAT
from soak.client.prompts import LONG, SURE, chat
from soak.context import SoakContext, only_demo

CLIENTS = 24
REPEATED = "Repeat: " + "the old bridge and the red house " * 60
"""About 500 tokens: many steps of prefill at 64 a step."""
PAUSE = 1.0
"""A kill comes up to so many seconds after a process is ready: often before the first token."""
RESTART_SECONDS = 60

Result = list[tuple[str, str | None, int]]
"""Of each choice: its text, its finish reason and how many finishes it had."""
Ask = Callable[[httpx.AsyncClient], Awaitable[Result]]


async def _streamed(client: httpx.AsyncClient, body: dict[str, Any]) -> Result:
    texts: dict[int, str] = {}
    finishes: dict[int, list[str]] = {}
    async with client.stream("POST", CHAT, json={**body, "stream": True}) as response:
        assert response.status_code == 200, await response.aread()
        lines = [line async for line in response.aiter_lines() if line.startswith("data: ")]
    assert lines[-1] == "data: [DONE]", lines[-1]
    for line in lines[:-1]:
        event = json.loads(line.removeprefix("data: "))
        assert "error" not in event, event
        for choice in event["choices"]:
            index = choice["index"]
            texts[index] = texts.get(index, "") + (choice["delta"].get("content") or "")
            if choice["finish_reason"]:
                finishes.setdefault(index, []).append(choice["finish_reason"])
    return [(texts[one], finishes[one][-1], len(finishes[one])) for one in sorted(texts)]


async def _collected(client: httpx.AsyncClient, body: dict[str, Any]) -> Result:
    response = await client.post(CHAT, json=body)
    assert response.status_code == 200, response.text
    choices = response.json()["choices"]
    return [(one["message"]["content"], one["finish_reason"], 1) for one in choices]


async def _ollama(client: httpx.AsyncClient, prompt: str) -> Result:
    body = {"model": DEMO, "prompt": prompt, "stream": False, "options": {"temperature": 0}}
    response = await client.post("/api/generate", json=body)
    assert response.status_code == 200, response.text
    answer = response.json()
    return [(answer["response"], answer["done_reason"], len(answer["context"]))]


def _kinds() -> dict[str, Ask]:
    """What clients ask for, by name; every answer is greedy and of one text."""
    beams = {"use_beam_search": True, "best_of": 4, "n": 2, "max_tokens": 40}
    kinds: dict[str, Ask] = {
        "long answer": lambda client: _streamed(client, chat(LONG)),
        "long prompt": lambda client: _streamed(client, chat(REPEATED, max_tokens=40)),
        "choices": lambda client: _streamed(client, chat("Count to 30.", n=3)),
        "beams": lambda client: _collected(client, chat("Tell me a joke.", **beams)),
        "generate": lambda client: _ollama(client, "Count to 30."),
        "collected": lambda client: _collected(client, chat(REPEATED, n=2, max_tokens=20)),
    }
    for prompt in SURE[:4]:
        kinds[prompt] = lambda client, prompt=prompt: _streamed(client, chat(prompt))  # type: ignore[misc]
    return kinds


@dataclass
class Innocents:
    """So many clients, each of which asks for one thing after another; `moved` tells of answers."""

    client: httpx.AsyncClient
    references: dict[str, Result] = field(default_factory=dict)
    answers: Counter[str] = field(default_factory=Counter)
    over: bool = False

    async def learn(self) -> None:
        """The answers of the undisturbed model."""
        for name, ask in _kinds().items():
            self.references[name] = await ask(self.client)

    async def keep_asking(self, number: int) -> None:
        """Raises AssertionError at the first answer that is not as it was undisturbed."""
        kinds = list(_kinds().items())
        for turn in itertools.count(number):
            if self.over:
                return
            name, ask = kinds[turn % len(kinds)]
            got = await ask(self.client)
            assert got == self.references[name], f"{name}: {got} for {self.references[name]}"
            self.answers[name] += 1


async def kill_one(context: SoakContext, dice: random.Random) -> None:
    """Let a process become ready, wait for a random time, and kill it."""
    deadline = time.monotonic() + RESTART_SECONDS
    while (engine := context.engine()) is None or not await _is_ready(context):
        assert time.monotonic() < deadline, "no engine has come back"
        await asyncio.sleep(0.02)
    await asyncio.sleep(dice.uniform(0, PAUSE))
    with contextlib.suppress(psutil.NoSuchProcess):
        engine.send_signal(signal.SIGKILL)
        await asyncio.to_thread(engine.wait, 10)


async def _is_ready(context: SoakContext) -> bool:
    models = (await context.client.get("/health")).json()["models"]
    return bool(models[DEMO]["status"] == "ready")


@case(
    9,
    f"SIGKILLs of the engine at any moment under {CLIENTS} clients of every kind",
    config=only_demo(max_batched_tokens=64, max_running=CLIENTS, queue_seconds=600),
)
async def innocent(context: SoakContext) -> str:
    """Kills do not wait for anybody: a request may meet several before it gets a token."""
    dice = random.Random(11)
    innocents = Innocents(context.client)
    await innocents.learn()
    tasks = [asyncio.create_task(innocents.keep_asking(number)) for number in range(CLIENTS)]
    start = time.monotonic()
    for _ in range(context.options.kills):
        await kill_one(context, dice)
        for task in tasks:
            if task.done():
                task.result()
    innocents.over = True
    await asyncio.gather(*tasks)
    counts = ", ".join(f"{count} {name}" for name, count in innocents.answers.most_common())
    return (
        f"{context.options.kills} kills in {time.monotonic() - start:.0f} s: "
        f"{innocents.answers.total()} answers as without them ({counts})"
    )
