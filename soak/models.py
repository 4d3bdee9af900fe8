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

from bench.server_process import DEMO, ROOT
from soak.case import NotApplicable, case
from soak.client.bodies import CHAT
from soak.client.prompts import GREETING, chat
from soak.context import SoakSettings, check_error

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
async def bad_models(settings: SoakSettings) -> str:
    with broken_models() as broken:
        entries: list[dict[str, Any]] = [{"name": DEMO}]
        entries += [{"name": name, "path": str(path)} for name, path in broken.items()]
        async with settings.start({"models": entries}) as context:
            await context.check_answer(GREETING)
            await asyncio.sleep(SETTLED_SECONDS)
            models = (await context.client.get("/health")).json()["models"]
            log = context.server.log
            for name in broken:
                assert models[name]["status"] == "failed", (name, models[name])
                lines = [line for line in log.splitlines() if f"model {name} " in line]
                assert len(lines) == 1, f"{len(lines)} lines about {name}"
                refused = await context.client.post(CHAT, json=chat(GREETING, model=name))
                check_error(refused, 503)
            await context.check_answers(16)
            assert (await context.client.get("/ready")).status_code == 200
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
async def full_cache(settings: SoakSettings) -> str:
    with small_disk() as folder:
        (folder / "cache").mkdir()
        fill(folder)
        return await _with_cache(settings, folder / "cache")


@case(14, "A compile cache that cannot be written", alone=True)
async def unwritable_cache(settings: SoakSettings) -> str:
    return await _with_cache(settings, Path("/proc/nowhere"))


@case(14, "A compile cache that is a file", alone=True)
async def cache_is_a_file(settings: SoakSettings) -> str:
    with TemporaryDirectory(prefix="ovapi-soak-") as folder:
        file = Path(folder) / "cache"
        file.write_text("no folder")
        return await _with_cache(settings, file)


async def _with_cache(settings: SoakSettings, folder: Path) -> str:
    async with settings.start({"compile_cache": str(folder)}, ready=False) as context:

        def settled() -> bool:
            return bool(context.server.health()["models"][DEMO]["status"] in ("ready", "failed"))

        await asyncio.to_thread(context.server.wait_until, settled, 60)
        model = context.server.health()["models"][DEMO]
        if model["status"] == "failed":
            return f"not served, and the reason is given: {model['detail']}"
        await context.check_answers(16)
        warned = [line for line in context.server.log.splitlines() if " WARNING " in line]
    return "serves" + (f"; {warned[0].split(': ', 1)[1]}" if warned else "")


@case(14, "A log on a full disk", alone=True)
async def full_log(settings: SoakSettings) -> str:
    with small_disk() as folder:
        async with settings.start({"logging": {"level": "DEBUG"}}, folder=folder) as context:
            fill(folder)
            await context.check_answers(64)
            size = len(context.server.log)
            await context.check_answers(64)
            assert len(context.server.log) == size, "the disk was not full"
    return f"serves, with the log cut off after {size} bytes"
