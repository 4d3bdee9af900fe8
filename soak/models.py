"""Models and disks that are not as they should be."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from soak.arena import Ground, check_error
from soak.case import NotApplicable, case
from tests.support.prompts import GREETING, chat
from tests.support.server_process import DEMO, ROOT
from tests.support.talk import CHAT

SOURCE = ROOT / "models" / DEMO
SETTLED_SECONDS = 8


@contextmanager
def broken_models() -> Iterator[dict[str, Path]]:
    """Folders of models, each broken in the way that its name says."""
    with TemporaryDirectory(prefix="ovapi-soak-") as folder:
        broken = {"missing": Path(folder) / "missing"}
        for name in ("truncated", "half-described", "no-tokenizer", "wrong", "no-json", "template"):
            broken[name] = Path(folder) / name
            shutil.copytree(SOURCE, broken[name], ignore=shutil.ignore_patterns("adapters"))
        os.truncate(broken["truncated"] / "openvino_model.bin", 100_000)
        os.truncate(broken["half-described"] / "openvino_model.xml", 50_000)
        (broken["no-tokenizer"] / "openvino_tokenizer.xml").unlink()
        (broken["wrong"] / "openvino_model.xml").write_text("This is no model.")
        (broken["no-json"] / "config.json").write_text("{")
        (broken["template"] / "chat_template.jinja").write_text("{% for %}")
        yield broken


@case(12, "Models that are missing, truncated, wrong", alone=True)
async def bad_models(ground: Ground) -> str:
    with broken_models() as broken:
        entries: list[dict[str, Any]] = [{"name": DEMO}]
        entries += [{"name": name, "path": str(path)} for name, path in broken.items()]
        async with ground.start({"models": entries}) as arena:
            await arena.check_answer(GREETING)
            await asyncio.sleep(SETTLED_SECONDS)
            models = (await arena.client.get("/health")).json()["models"]
            log = arena.server.log
            for name in broken:
                assert models[name]["status"] == "failed", (name, models[name])
                lines = [line for line in log.splitlines() if f"model {name} " in line]
                assert len(lines) == 1, f"{len(lines)} lines about {name}"
                refused = await arena.client.post(CHAT, json=chat(GREETING, model=name))
                check_error(refused, 503)
            await arena.check_answers(16)
            assert (await arena.client.get("/ready")).status_code == 200
            details = {models[name]["detail"] for name in broken}
    return f"{len(broken)} failed once each, one line each: {'; '.join(sorted(details))}"


@contextmanager
def small_disk() -> Iterator[Path]:
    """A file system of 64 KiB; `fill` leaves nothing of it."""
    with TemporaryDirectory(prefix="ovapi-soak-") as folder:
        mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", folder]
        if os.geteuid() != 0 or subprocess.run(mount, check=False, capture_output=True).returncode:
            raise NotApplicable("a full disk takes the right to mount a small one")
        try:
            yield Path(folder)
        finally:
            # the killed server's engine may still hold its log open
            subprocess.run(["umount", "--lazy", folder], check=True)


def fill(folder: Path) -> None:
    """Leave no byte free."""
    with (folder / "filler").open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(b"x" * 4096)
    assert os.statvfs(folder).f_bavail == 0


@case(14, "A compile cache on a full disk", alone=True)
async def full_cache(ground: Ground) -> str:
    with small_disk() as folder:
        (folder / "cache").mkdir()
        fill(folder)
        return await _with_cache(ground, folder / "cache")


@case(14, "A compile cache that cannot be written", alone=True)
async def unwritable_cache(ground: Ground) -> str:
    return await _with_cache(ground, Path("/proc/nowhere"))


@case(14, "A compile cache that is a file", alone=True)
async def cache_is_a_file(ground: Ground) -> str:
    with TemporaryDirectory(prefix="ovapi-soak-") as folder:
        file = Path(folder) / "cache"
        file.write_text("no folder")
        return await _with_cache(ground, file)


async def _with_cache(ground: Ground, folder: Path) -> str:
    async with ground.start({"compile_cache": str(folder)}, ready=False) as arena:

        def settled() -> bool:
            return bool(arena.server.health()["models"][DEMO]["status"] in ("ready", "failed"))

        await asyncio.to_thread(arena.server.wait_until, settled, 60)
        model = arena.server.health()["models"][DEMO]
        if model["status"] == "failed":
            return f"not served, and the reason is given: {model['detail']}"
        await arena.check_answers(16)
        warned = [line for line in arena.server.log.splitlines() if " WARNING " in line]
    return "serves" + (f"; {warned[0].split(': ', 1)[1]}" if warned else "")


@case(14, "A log on a full disk", alone=True)
async def full_log(ground: Ground) -> str:
    with small_disk() as folder:
        async with ground.start({"logging": {"level": "DEBUG"}}, folder=folder) as arena:
            fill(folder)
            await arena.check_answers(64)
            size = len(arena.server.log)
            await arena.check_answers(64)
            assert len(arena.server.log) == size, "the disk was not full"
    return f"serves, with the log cut off after {size} bytes"
