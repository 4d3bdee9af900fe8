import asyncio

from ovapi.core import Accepted, Delta, Failed, Finished, Usage
from ovapi.errors import DeadlineExceeded, EngineFailed
from ovapi.serving.event_stream import EventStream

USAGE = Usage(1, 1)


def stream_of(choices: int) -> tuple[EventStream, list[str]]:
    closed: list[str] = []
    return EventStream(choices, lambda: closed.append("closed")), closed


async def test_events_come_out_in_order_with_their_choice() -> None:
    stream, _ = stream_of(2)
    stream.sink(1)(Accepted(3))
    stream.sink(0)(Delta("a"))
    assert await stream.drain(1) == [(1, Accepted(3)), (0, Delta("a"))]


async def test_drain_waits_for_the_next_event() -> None:
    stream, _ = stream_of(1)
    asyncio.get_running_loop().call_later(0.01, stream.sink(), Delta("late"))
    assert await stream.drain(5) == [(0, Delta("late"))]


async def test_drain_gives_nothing_after_its_timeout() -> None:
    stream, _ = stream_of(1)
    assert await stream.drain(0.01) == []
    assert not stream.ended


async def test_a_choice_that_has_ended_takes_nothing_more() -> None:
    stream, closed = stream_of(1)
    sink = stream.sink()
    for event in (Finished("stop", USAGE), Delta("ghost"), Finished("stop", USAGE)):
        sink(event)
    assert await stream.drain(1) == [(0, Finished("stop", USAGE))]
    assert stream.ended
    stream.close()
    assert closed == []


async def test_a_failure_ends_every_choice() -> None:
    stream, closed = stream_of(3)
    failed = Failed(EngineFailed("gone"))
    stream.sink(0)(Finished("stop", USAGE))
    stream.sink(1)(failed)
    stream.sink(2)(Delta("ghost"))
    assert await stream.drain(1) == [(0, Finished("stop", USAGE)), (1, failed)]
    assert stream.ended
    assert closed == ["closed"]


async def test_closing_early_gives_up_once_and_wakes_the_reader() -> None:
    stream, closed = stream_of(1)
    asyncio.get_running_loop().call_later(0.01, stream.close)
    assert await stream.drain(5) == []
    stream.close()
    assert closed == ["closed"]
    assert stream.ended


async def test_a_beam_search_has_its_choices_in_one_sink() -> None:
    stream, _ = stream_of(3)
    beams = stream.sink(1)
    for index in (0, 1):
        beams(Finished("stop", USAGE, index=index))
    assert [choice for choice, _ in await stream.drain(1)] == [1, 2]
    assert not stream.ended


async def test_at_the_deadline_open_choices_end_with_what_they_have() -> None:
    stream, closed = stream_of(3)
    sinks = [stream.sink(number) for number in range(3)]
    for sink in sinks[:2]:
        sink(Accepted(3))
    sinks[0](Delta("a", (1,)))
    sinks[1](Delta("b", (1, 2)))
    sinks[0](Finished("stop", USAGE))
    stream.end_at(asyncio.get_running_loop().time() + 0.01)
    await stream.drain(1)
    assert await stream.drain(1) == [
        (1, Finished("length", Usage(3, 2))),
        (2, Finished("length", Usage(0, 0))),
    ]
    assert (stream.ended, closed) == (True, ["closed"])
    sinks[1](Delta("ghost", (3,)))
    assert await stream.drain(0.01) == []


async def test_at_the_deadline_nothing_is_a_failure() -> None:
    stream, closed = stream_of(2)
    sink = stream.sink()
    sink(Accepted(3))
    stream.end_at(asyncio.get_running_loop().time())
    await stream.drain(1)
    ((_, event),) = await stream.drain(1)
    assert isinstance(event, Failed)
    assert isinstance(event.error, DeadlineExceeded)
    assert (stream.ended, closed) == (True, ["closed"])


async def test_the_deadline_is_off_once_the_consumer_is_done() -> None:
    stream, closed = stream_of(1)
    sink = stream.sink()
    stream.end_at(asyncio.get_running_loop().time() + 0.01)
    sink(Finished("stop", USAGE))
    stream.close()
    await asyncio.sleep(0.02)
    assert await stream.drain(0) == [(0, Finished("stop", USAGE))]
    assert closed == []
