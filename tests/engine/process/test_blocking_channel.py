"""The connection of the two processes: messages whole, in order, and an end that is told."""

from __future__ import annotations

import pickle
import socket
import threading
from collections.abc import Iterator

import pytest

from ovapi.engine.process.blocking_channel import Pipe


@pytest.fixture
def ends() -> Iterator[tuple[Pipe, socket.socket]]:
    """A pipe, and the bare socket of its other end."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield Pipe(ours), theirs


def framed(message: object) -> bytes:
    data = pickle.dumps(message)
    return len(data).to_bytes(8) + data


def test_messages_that_come_together(ends: tuple[Pipe, socket.socket]) -> None:
    pipe, other = ends
    assert not pipe.poll(0)
    other.sendall(framed("one") + framed((2, [3.0])))
    assert pipe.poll(0)
    assert pipe.receive() == "one"
    assert pipe.poll(0), "the second has been read from the socket already"
    assert pipe.receive() == (2, [3.0])
    assert not pipe.poll(0)


def test_a_message_that_comes_in_pieces(ends: tuple[Pipe, socket.socket]) -> None:
    pipe, other = ends
    data = framed("whole") + framed("next")
    pieces = [data[:3], data[3:20], data[20:]]

    def send() -> None:
        for piece in pieces:
            other.sendall(piece)
            threading.Event().wait(0.01)

    threading.Thread(target=send).start()
    assert (pipe.receive(), pipe.receive()) == ("whole", "next")


def test_more_than_the_kernel_holds() -> None:
    ours, theirs = socket.socketpair()
    one, other = Pipe(ours), Pipe(theirs)
    message = {"ids": tuple(range(1_000_000)), "text": "x" * 5_000_000}
    sender = threading.Thread(target=one.send, args=(message,))
    sender.start()
    assert other.receive() == message
    sender.join()
    ours.close()
    theirs.close()


@pytest.mark.parametrize("bytes_before", [0, 4, 12])
def test_the_end(ends: tuple[Pipe, socket.socket], bytes_before: int) -> None:
    pipe, other = ends
    other.sendall(framed("cut off")[:bytes_before])
    other.close()
    assert pipe.poll(0)
    with pytest.raises(EOFError):
        pipe.receive()
    with pytest.raises(BrokenPipeError):
        pipe.send("nobody is there")
