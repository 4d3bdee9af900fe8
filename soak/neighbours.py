"""One client must not be able to stop the others: what each of these costs the rest."""

from __future__ import annotations

import asyncio
import json
import time
from contextlib import AsyncExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

from bench.server_process import DEMO, ROOT
from soak.case import case
from soak.client.bodies import CHAT
from soak.client.prompts import GREETING, LONG, chat
from soak.client.raw import connect, post
from soak.client.streams import text_of
from soak.context import SoakContext, SoakSettings, check_error

MIB = 2**20
WHOLE = 16 * MIB - 1024
SECONDS = 10.0
FLOODERS = 8


@case(37, "Bodies that stop a byte short", quick=True)
async def unfinished_bodies(context: SoakContext) -> str:
    async with AsyncExitStack() as stack:
        for _ in range(5):
            raw = await stack.enter_async_context(connect(context.port))
            await raw.send(post(b" " * WHOLE, Content_Length=str(WHOLE + 1)))
        for _ in range(3):
            await context.check_answer(GREETING)
            large = await context.client.post(CHAT, json=chat("x" * MIB))
            check_error(large, 400, param="messages")  # too long, and not for want of room
    return "5 bodies of 16 MiB held back, small and large requests answered"


@case(38, "Small requests padded to 16 MiB, each with a long answer")
async def padded_bodies(context: SoakContext) -> str:
    padding = b" " * (WHOLE - 1024)
    body = json.dumps(chat(LONG, max_tokens=1000, ignore_eos=True)).encode()
    headers = {"Content-Type": "application/json"}
    requests = [
        asyncio.create_task(context.client.post(CHAT, content=body + padding, headers=headers))
        for _ in range(6)
    ]
    while not all(task.done() for task in requests):
        large = await context.client.post(CHAT, json=chat("x" * MIB))
        check_error(large, 400, 503)
        await context.check_answer(GREETING)
    served = [task.result().status_code for task in requests].count(200)
    assert served >= 4, f"{served} of 6"
    return f"{served} of 6 answered, the others refused; neighbours answered"


@case(39, "Tokenizing in a loop")
async def tokenizing(context: SoakContext) -> str:
    """A stream beside it is slower, but goes on."""
    alone = await _seconds_of_an_answer(context)
    over = asyncio.Event()
    text = {"prompt": "one two three four five " * 400}

    async def flood(path: str, body: dict[str, object]) -> int:
        count = 0
        while not over.is_set():
            count += (await context.client.post(path, json=body)).status_code == 200
        return count

    ids = (await context.client.post("/tokenize", json=text)).json()["tokens"]
    floods = [
        asyncio.create_task(
            flood("/tokenize", text) if n % 2 else flood("/detokenize", {"tokens": ids})
        )
        for n in range(FLOODERS)
    ]
    beside = await _seconds_of_an_answer(context)
    over.set()
    count = sum(await asyncio.gather(*floods))
    assert beside < 10 * alone + 1, f"an answer took {beside:.1f} s, and {alone:.1f} s alone"
    return f"{count} texts; an answer took {beside:.2f} s beside them, {alone:.2f} s alone"


async def _seconds_of_an_answer(context: SoakContext) -> float:
    start = time.perf_counter()
    await text_of(context.client, chat(LONG, max_tokens=1000, ignore_eos=True))
    return time.perf_counter() - start


@case(40, "A prompt of 15 MiB with 128 choices", quick=True)
async def many_choices(context: SoakContext) -> str:
    start = time.perf_counter()
    response = await context.client.post(CHAT, json=chat("x" * 15 * MIB, n=128))
    check_error(response, 400)
    await context.check_answer(GREETING)
    return f"refused after {time.perf_counter() - start:.1f} s"


@case(41, "A chat template of 100,000 braces beside a good model", alone=True, quick=True)
async def odd_card(settings: SoakSettings) -> str:
    with TemporaryDirectory(prefix="ovapi-soak-") as folder:
        odd = Path(folder) / "odd"
        odd.mkdir()
        for file in (ROOT / "models" / DEMO).iterdir():
            if file.is_file():
                (odd / file.name).symlink_to(file)
        (odd / "chat_template.jinja").unlink(missing_ok=True)
        (odd / "chat_template.jinja").write_text("{" * 100_000)
        config = {"models": [{"name": DEMO}, {"name": "odd", "path": str(odd), "load": "lazy"}]}
        async with settings.start(config) as context:
            start = time.perf_counter()
            for path in ("/api/tags", "/api/ps", "/v1/models"):
                assert (await context.client.get(path)).status_code == 200
            seconds = time.perf_counter() - start
            assert seconds < 5
            await context.check_answer(GREETING)
    return f"three lists of models in {1000 * seconds:.0f} ms"


@case(42, "keep_alive 0 in a loop")
async def unloading(context: SoakContext) -> str:
    loads = await context.metric("ovapi_model_loads_total")
    count, deadline = 0, time.monotonic() + SECONDS
    while time.monotonic() < deadline:
        body = {"model": DEMO, "prompt": "Hi", "keep_alive": 0, "stream": False}
        assert (await context.client.post("/api/generate", json=body)).status_code == 200
        refused = await context.client.post("/api/generate", json={"model": DEMO, "keep_alive": 0})
        assert refused.status_code == 403, refused.text
        await context.check_answer(GREETING)
        count += 1
    assert await context.metric("ovapi_model_loads_total") == loads
    return f"{count} requests with keep_alive 0, none has unloaded the model"
