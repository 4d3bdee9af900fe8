"""Shows the memory of a running ovapi: its server process and each engine process.

RSS counts every page that a process has in RAM. PSS divides a page by the number of processes
that share it (the files of a model that a base model and its adapters have mapped), so the PSS of
all processes adds up to what they take together. USS is what ending the process would give back.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import suppress

import psutil

MIB = 2**20


def engine_name(process: psutil.Process) -> str | None:
    """The model of an engine process, as its command line tells it."""
    for argument in process.cmdline():
        if argument.startswith("--model="):
            return argument.removeprefix("--model=")
    return None


def servers() -> Iterator[psutil.Process]:
    for process in psutil.process_iter():
        try:
            command = process.cmdline()
        except psutil.Error:
            continue
        if command[1:3] == ["-m", "ovapi"] or (command[1:2] and command[1].endswith("/ovapi")):
            yield process


def row(name: str, process: psutil.Process) -> tuple[str, int, int, int]:
    memory = process.memory_full_info()
    return name, memory.rss, memory.pss, memory.uss


def rows(server: psutil.Process) -> list[tuple[str, int, int, int]]:
    found = [row("server", server)]
    for child in server.children(recursive=True):
        with suppress(psutil.Error):  # it may be ending
            if (name := engine_name(child)) is not None:
                found.append(row(name, child))
    return found


def show(server: psutil.Process) -> None:
    print(f"| process of server {server.pid} | RSS MiB | PSS MiB | USS MiB |")
    print("| --- | ---: | ---: | ---: |")
    found = rows(server)
    for name, *sizes in found:
        print(f"| {name} | " + " | ".join(f"{size / MIB:.0f}" for size in sizes) + " |")
    print(f"| together | | {sum(one[2] for one in found) / MIB:.0f} | |")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("pid", type=int, nargs="?", help="the server; default: all that run here")
    given = parser.parse_args().pid
    for one in [psutil.Process(given)] if given else servers():
        show(one)
