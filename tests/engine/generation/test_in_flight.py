from ovapi.core import (
    Accepted,
    BeamSearch,
    Delta,
    Event,
    Failed,
    Finished,
    GenerateRequest,
    SamplingParams,
    Started,
    TextPrompt,
    Usage,
)
from ovapi.engine.generation.in_flight import KILLED, InFlightRequests
from ovapi.engine.generation.in_flight_generation import InFlightGeneration
from ovapi.errors import Draining, EngineFailed

END = Finished("stop", Usage(1, 1))


class Client:
    """One request, and what its client got."""

    def __init__(
        self, in_flight: InFlightRequests, name: str, sampling: SamplingParams | None = None
    ) -> None:
        self.name = name
        self.events: list[Event] = []
        request = GenerateRequest(name, TextPrompt("x"), sampling or SamplingParams())
        in_flight.add(InFlightGeneration(request, self.events.append))

    @property
    def failed(self) -> bool:
        return bool(self.events) and isinstance(self.events[-1], Failed)


def submitted(in_flight: InFlightRequests) -> list[str]:
    return [live.id for live in in_flight.resubmit()]


def test_a_request_is_submitted_once_to_each_engine() -> None:
    in_flight = InFlightRequests()
    Client(in_flight, "a")
    assert submitted(in_flight) == ["a"]
    assert submitted(in_flight) == []
    in_flight.crashed()
    assert submitted(in_flight) == ["a"]


def test_it_goes_on_with_the_tokens_that_its_client_has() -> None:
    in_flight = InFlightRequests()
    client = Client(in_flight, "a")
    submitted(in_flight)
    for event in (Accepted(1), Started(1.0), Delta("x", (5, 6)), Delta("y", (7,))):
        in_flight.deliver("a", event)
    in_flight.crashed()
    (live,) = in_flight.resubmit()
    assert isinstance(live, InFlightGeneration)
    assert live.given == [5, 6, 7]
    for event in (Accepted(1), Started(2.0), Delta("z", (8,)), END):
        in_flight.deliver("a", event)
    assert client.events == [
        Accepted(1),
        Started(1.0),
        Delta("x", (5, 6)),
        Delta("y", (7,)),
        Delta("z", (8,)),
        END,
    ]
    assert not in_flight


def test_only_what_an_engine_has_lost_is_submitted_again() -> None:
    """A request on its way to an engine that stumbles arrives after all: never twice."""
    in_flight = InFlightRequests()
    for name in "ab":
        Client(in_flight, name)
    assert submitted(in_flight) == ["a", "b"]
    in_flight.crashed(ids={"a"})
    assert submitted(in_flight) == ["a"]


def test_many_crashes_with_progress_between_hurt_nobody() -> None:
    in_flight = InFlightRequests()
    clients = [Client(in_flight, name) for name in "abc"]
    for token in range(50):
        assert len(submitted(in_flight)) == 3
        for client in clients:
            in_flight.deliver(client.name, Delta("x", (token,)))
        in_flight.crashed()
    assert not any(client.failed for client in clients)


def test_a_request_fails_that_was_suspect_and_alone_at_a_crash() -> None:
    """Two crashes make it suspect, however lonely it was; the third one is its own."""
    in_flight = InFlightRequests()
    client = Client(in_flight, "a")
    for _ in range(3):
        assert not client.failed
        assert submitted(in_flight) == ["a"]
        in_flight.crashed()
    assert client.failed
    assert isinstance(client.events[-1].error, EngineFailed)  # type: ignore[union-attr]
    assert not in_flight


def test_kills_from_outside_prove_little() -> None:
    in_flight = InFlightRequests()
    client = Client(in_flight, "a")
    for _ in range(17):
        submitted(in_flight)
        in_flight.crashed(proof=KILLED)
    assert not client.failed
    submitted(in_flight)
    in_flight.crashed(proof=KILLED)
    assert client.failed


def test_a_suspect_is_not_condemned_for_a_crash_beside_others() -> None:
    in_flight = InFlightRequests()
    clients = [Client(in_flight, name) for name in "ab"]
    for _ in range(2):
        submitted(in_flight)
        in_flight.crashed()
    assert submitted(in_flight) == ["a"]
    assert in_flight.deliver("a", Delta("x", (1,)))
    assert submitted(in_flight) == ["b"]
    in_flight.crashed()  # it may have been either
    assert not any(client.failed for client in clients)
    assert submitted(in_flight) == ["b"]
    in_flight.crashed()
    assert [client.failed for client in clients] == [False, True]


def crash_if_inside(in_flight: InFlightRequests, culprit: str, inside: set[str]) -> bool:
    """Play an engine that dies of `culprit` before anybody gets a token."""
    if culprit not in inside:
        return False
    in_flight.crashed()
    return True


def test_the_culprit_is_found_among_innocents() -> None:
    in_flight = InFlightRequests()
    clients = {name: Client(in_flight, name) for name in "abcdef"}
    inside: set[str] = set()
    crashes = 0
    while not clients["d"].failed:
        inside |= set(submitted(in_flight))
        if crash_if_inside(in_flight, "d", inside):
            crashes += 1
            inside.clear()
            continue
        for name in sorted(inside):
            if in_flight.deliver(name, Delta("x", (1,))):
                inside |= set(submitted(in_flight))
            if crash_if_inside(in_flight, "d", inside):
                crashes += 1
                inside.clear()
                break
    assert crashes == 4
    assert [name for name, client in clients.items() if client.failed] == ["d"]


def test_suspects_go_one_at_a_time_and_all_others_after_them() -> None:
    in_flight = InFlightRequests()
    for name in "abc":
        Client(in_flight, name)
    for _ in range(2):
        submitted(in_flight)
        in_flight.crashed()
    assert submitted(in_flight) == ["a"]
    Client(in_flight, "new")
    assert submitted(in_flight) == []
    assert in_flight.deliver("a", Delta("x", (1,)))
    assert submitted(in_flight) == ["b"]
    assert in_flight.deliver("b", END)
    assert submitted(in_flight) == ["c"]
    assert in_flight.deliver("c", END)
    assert submitted(in_flight) == ["new"]


def test_a_suspect_that_leaves_makes_room_for_the_next() -> None:
    in_flight = InFlightRequests()
    for name in "ab":
        Client(in_flight, name)
    for _ in range(2):
        submitted(in_flight)
        in_flight.crashed()
    assert submitted(in_flight) == ["a"]
    assert in_flight.remove("a")
    assert submitted(in_flight) == ["b"]
    assert not in_flight.remove("a")


def test_a_beam_search_starts_again_from_its_prompt() -> None:
    in_flight = InFlightRequests()
    beams = BeamSearch(width=4, results=2)
    client = Client(in_flight, "a", SamplingParams(beams=beams))
    submitted(in_flight)
    in_flight.crashed()
    (live,) = in_flight.resubmit()
    assert isinstance(live, InFlightGeneration)
    assert live.given == []
    for index in (0, 1):
        in_flight.deliver("a", Delta("x", (1,), index=index))
        in_flight.deliver("a", Finished("stop", Usage(1, 1), index=index))
    assert len(client.events) == 4
    assert not in_flight


def test_all_end_with_an_error_when_nothing_goes_on() -> None:
    in_flight = InFlightRequests()
    clients = [Client(in_flight, name) for name in "ab"]
    in_flight.fail(Draining("bye"))
    assert all(client.failed for client in clients)
    assert not in_flight
