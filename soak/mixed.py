"""A mixed load for minutes, and what it leaves in memory."""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence

from bench.server_process import DEMO
from soak.case import case
from soak.client.bodies import CHAT
from soak.client.malformed import BODIES
from soak.client.parameters import PARAMETERS
from soak.client.prompts import LONG, LONG_PROMPT, SURE, chat
from soak.client.raw import post
from soak.client.streams import deltas
from soak.context import SoakContext, check_error, only_demo
from soak.footprint import Footprint

WORKERS = 12
SAMPLE_SECONDS = 1.0
WARM_UP = 0.3
"""The share of the time that does not count: the small prefix cache fills up."""
MAX_MIB = 48.0
"""What either process may grow by after it: allocators and the prefix cache are never still."""

Dice = random.Random
Act = Callable[[SoakContext, Dice], Awaitable[None]]


async def streamed(context: SoakContext, dice: Dice) -> None:
    await context.check_answer(dice.choice(SURE))


async def whole(context: SoakContext, dice: Dice) -> None:
    prompt = dice.choice(SURE)
    response = await context.client.post(CHAT, json=chat(prompt))
    assert response.status_code == 200, response.text
    assert response.json()["choices"][0]["message"]["content"] == context.references[prompt]


async def completion(context: SoakContext, dice: Dice) -> None:
    body = {"prompt": f"Once upon a time {dice.random()}", "max_tokens": 30, "n": 2}
    response = await context.client.post("/v1/completions", json=body)
    assert len(response.json()["choices"]) == 2, response.text


async def ollama(context: SoakContext, dice: Dice) -> None:
    prompt = dice.choice(SURE)
    body = {**chat(prompt), "model": DEMO, "stream": False, "options": {"temperature": 0}}
    del body["temperature"]
    response = await context.client.post("/api/chat", json=body)
    assert response.json()["message"]["content"] == context.references[prompt], response.text


async def left(context: SoakContext, dice: Dice) -> None:
    """A stream whose client leaves after some of its chunks."""
    parts = deltas(context.client, chat(LONG, temperature=1, max_tokens=300))
    for _ in range(dice.randrange(1, 60)):
        if await anext(parts, None) is None:
            break
    await parts.aclose()


async def hung_up(context: SoakContext, dice: Dice) -> None:
    """A request whose client leaves at any moment: while it sends, waits, or is answered."""
    data = post(chat(f"{dice.random()} {LONG_PROMPT}", max_tokens=50))
    with contextlib.suppress(ConnectionError):
        async with context.raw() as raw:
            await raw.send(data[: dice.choice((len(data), dice.randrange(len(data))))])
            await asyncio.sleep(dice.uniform(0, 0.5))


async def long_prompt(context: SoakContext, dice: Dice) -> None:
    body = chat(f"{dice.random()} {LONG_PROMPT[: dice.randrange(4000)]}", max_tokens=3)
    response = await context.client.post(CHAT, json=body)
    assert response.status_code == 200, response.text


async def bad_parameter(context: SoakContext, dice: Dice) -> None:
    _, body = dice.choice(PARAMETERS)
    check_error(await context.client.post(CHAT, json=body), 400, 404)


async def bad_body(context: SoakContext, dice: Dice) -> None:
    body, _ = dice.choice(BODIES)
    headers = {"Content-Type": "application/json"}
    check_error(await context.client.post(CHAT, content=body, headers=headers), 400)


async def looked(context: SoakContext, dice: Dice) -> None:
    path = dice.choice(("/metrics", "/v1/models", "/api/tags", "/ready", "/", "/openapi.json"))
    assert (await context.client.get(path)).status_code == 200


ACTS: tuple[tuple[Act, int], ...] = (
    (streamed, 6), (whole, 4), (completion, 3), (ollama, 3), (left, 4), (hung_up, 2),
    (long_prompt, 1), (bad_parameter, 3), (bad_body, 3), (looked, 2),
)  # fmt: skip
"""What a client may do, and how often."""


SMALL = only_demo(cache={"size": "32MB"})
"""A prefix cache that is full soon."""


@case(15, "Mixed load", config=SMALL)
async def mixed_load(context: SoakContext) -> str:
    seconds = context.options.minutes * 60
    end = time.monotonic() + seconds
    done: Counter[str] = Counter()

    async def work(number: int) -> None:
        dice = random.Random(number)
        acts, weights = zip(*ACTS, strict=True)
        while time.monotonic() < end:
            act = dice.choices(acts, weights)[0]
            await act(context, dice)
            done[act.__name__] += 1

    sampling = asyncio.create_task(_samples(context, end))
    await asyncio.gather(*(work(number) for number in range(WORKERS)))
    samples = await sampling
    await context.wait_for_slots(1, 2)
    slopes = []
    for values in ([one.server for _, one in samples], [one.engines for _, one in samples]):
        times = [moment for moment, _ in samples]
        fitted = slope(times, values)
        grown = fitted * (times[-1] - times[0])
        assert grown < MAX_MIB, f"memory grows by {3600 * fitted:.0f} MiB an hour"
        slopes.append(f"{values[-1]:.0f} MiB, {3600 * fitted:+.1f} MiB/h")
    counts = ", ".join(f"{count} {name}" for name, count in done.most_common())
    return (
        f"{context.options.minutes:g} min, {sum(done.values())} requests ({counts}); "
        f"server {slopes[0]}; engine {slopes[1]}"
    )


async def _samples(context: SoakContext, end: float) -> list[tuple[float, Footprint]]:
    """Moments with footprints, after the warm-up."""
    begin = time.monotonic()
    begin += WARM_UP * (end - begin)
    samples = []
    while (now := time.monotonic()) < end:
        if now >= begin:
            samples.append((now, Footprint.of(context.server)))
        await asyncio.sleep(SAMPLE_SECONDS)
    return samples


def slope(times: Sequence[float], values: Sequence[float]) -> float:
    """Of the line that fits best, by least squares."""
    middle = sum(times) / len(times)
    weights = [moment - middle for moment in times]
    products = sum(weight * value for weight, value in zip(weights, values, strict=True))
    return products / sum(weight * weight for weight in weights)
