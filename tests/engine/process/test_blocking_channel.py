"""The connection of the two processes: messages whole, in order, and an end that is told."""

from __future__ import annotations

import pickle
import socket
import threading
from collections.abc import Iterator

import pytest

from ovapi.engine.process.channels import BlockingChannel


@pytest.fixture
def ends() -> Iterator[tuple[BlockingChannel, socket.socket]]:
    """A pipe, and the bare socket of its other end."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield BlockingChannel(ours), theirs


def frame(message: object) -> bytes:
    data = pickle.dumps(message)
    return len(data).to_bytes(8) + data


def test_messages_that_come_together(ends: tuple[BlockingChannel, socket.socket]) -> None:
    channel, other = ends
    assert not channel.poll(0)
    other.sendall(frame("one") + frame((2, [3.0])))
    assert channel.poll(0)
    assert channel.receive() == "one"
    assert channel.poll(0), "the second has been read from the socket already"
    assert channel.receive() == (2, [3.0])
    assert not channel.poll(0)


def test_another_thread_ends_the_wait(ends: tuple[BlockingChannel, socket.socket]) -> None:
    channel, _ = ends
    timer = threading.Timer(0.05, channel.wake)
    timer.start()
    assert not channel.poll(None)
    assert not channel.poll(0)
    timer.join()


def test_messages_of_several_threads_stay_whole(
    ends: tuple[BlockingChannel, socket.socket],
) -> None:
    channel, other = ends
    messages = [("x" * 300_000, number) for number in range(8)]
    senders = [threading.Thread(target=channel.send, args=(one,)) for one in messages]
    for sender in senders:
        sender.start()
    receiver = BlockingChannel(other)
    assert sorted(receiver.receive() for _ in messages) == messages
    for sender in senders:
        sender.join()


def test_a_message_that_comes_in_pieces(ends: tuple[BlockingChannel, socket.socket]) -> None:
    channel, other = ends
    data = frame("whole") + frame("next")
    pieces = [data[:3], data[3:20], data[20:]]

    def send() -> None:
        for piece in pieces:
            other.sendall(piece)
            threading.Event().wait(0.01)

    threading.Thread(target=send).start()
    assert (channel.receive(), channel.receive()) == ("whole", "next")


def test_more_than_the_kernel_holds() -> None:
    ours, theirs = socket.socketpair()
    one, other = BlockingChannel(ours), BlockingChannel(theirs)
    message = {"ids": tuple(range(1_000_000)), "text": "x" * 5_000_000}
    sender = threading.Thread(target=one.send, args=(message,))
    sender.start()
    assert other.receive() == message
    sender.join()
    ours.close()
    theirs.close()


@pytest.mark.parametrize("bytes_before", [0, 4, 12])
def test_the_end(ends: tuple[BlockingChannel, socket.socket], bytes_before: int) -> None:
    channel, other = ends
    other.sendall(frame("cut off")[:bytes_before])
    other.close()
    assert channel.poll(0)
    with pytest.raises(EOFError):
        channel.receive()
    with pytest.raises(BrokenPipeError):
        channel.send("nobody is there")
