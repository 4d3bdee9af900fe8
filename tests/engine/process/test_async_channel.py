"""The server's end of the pipe: it never blocks, loses nothing, and tells the end once."""

from __future__ import annotations

import asyncio
import socket

import pytest

from ovapi.core import TextPrompt
from ovapi.engine.generation.messages import Cancel, Reply, Tokenize
from ovapi.engine.process.channels import AsyncChannel, BlockingChannel, frame

HUGE = Tokenize("a", "", {}, TextPrompt("x" * 5_000_000), True)


class Ends:
    """A link, what it reports, and the bare socket of the other end; a context manager."""

    async def __aenter__(self) -> Ends:
        self._own, self.other = socket.socketpair()
        self._reports: asyncio.Queue[object | None] = asyncio.Queue()
        self.channel = AsyncChannel(self._own, self._reports.put_nowait, self._end)
        return self

    def _end(self) -> None:
        self._reports.put_nowait(None)

    async def next(self) -> object | None:
        """The next report; None is the end."""
        return await asyncio.wait_for(self._reports.get(), 10)

    async def __aexit__(self, *_: object) -> None:
        if self.other.fileno() >= 0:
            self.other.close()
            assert await self.next() is None
        self._own.close()
        await asyncio.sleep(0.01)
        assert self._reports.empty()


async def test_reports_that_come_together_and_in_pieces() -> None:
    async with Ends() as ends:
        reports = [Reply(str(number), "text") for number in range(3)]
        data = b"".join(map(frame, reports))
        for piece in (data[:3], data[3:40], data[40:]):
            ends.other.sendall(piece)
            await asyncio.sleep(0.01)
        assert [await ends.next() for _ in reports] == reports


async def test_a_report_larger_than_one_read() -> None:
    async with Ends() as ends:
        report = Reply("0", tuple(range(100_000)))
        sending = asyncio.to_thread(ends.other.sendall, frame(report))
        assert await asyncio.gather(sending, ends.next()) == [None, report]


async def test_commands_wait_for_a_process_that_does_not_read() -> None:
    async with Ends() as ends:
        commands = [HUGE, Cancel("a"), HUGE, Cancel("b")]
        for command in commands:
            ends.channel.send(command)  # would not return if it blocked
        channel = BlockingChannel(ends.other)
        assert [await asyncio.to_thread(channel.receive) for _ in commands] == commands
        ends.channel.send(Cancel("c"))
        assert await asyncio.to_thread(channel.receive) == Cancel("c")


@pytest.mark.parametrize("cut", [0, 4, 12])
async def test_the_end(cut: int) -> None:
    async with Ends() as ends:
        ends.other.sendall(frame(Reply("0", "first")) + frame(Reply("1", "cut off"))[:cut])
        ends.other.close()
        assert await ends.next() == Reply("0", "first")
        assert await ends.next() is None
        ends.channel.send(Cancel("nobody is there"))


async def test_the_end_while_commands_wait() -> None:
    async with Ends() as ends:
        ends.channel.send(HUGE)
        ends.other.close()
        ends.channel.send(Cancel("a"))
        assert await ends.next() is None
