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
from ovapi.engine.process.in_flight import Roster
from ovapi.errors import Draining, EngineFailed

END = Finished("stop", Usage(1, 1))


class Client:
    """One request of a roster, and what its client got."""

    def __init__(self, roster: Roster, name: str, sampling: SamplingParams | None = None) -> None:
        self.name = name
        self.events: list[Event] = []
        request = GenerateRequest(name, TextPrompt("x"), sampling or SamplingParams())
        roster.add(request, self.events.append)

    @property
    def failed(self) -> bool:
        return bool(self.events) and isinstance(self.events[-1], Failed)


def submitted(roster: Roster) -> list[str]:
    return [live.request.id for live in roster.resubmit()]


def test_a_request_is_submitted_once_to_each_engine() -> None:
    roster = Roster()
    Client(roster, "a")
    assert submitted(roster) == ["a"]
    assert submitted(roster) == []
    roster.crashed()
    assert submitted(roster) == ["a"]


def test_it_goes_on_with_the_tokens_that_its_client_has() -> None:
    roster = Roster()
    client = Client(roster, "a")
    submitted(roster)
    for event in (Accepted(1), Started(1.0), Delta("x", (5, 6)), Delta("y", (7,))):
        roster.deliver("a", event)
    roster.crashed()
    (live,) = roster.resubmit()
    assert live.given == [5, 6, 7]
    for event in (Accepted(1), Started(2.0), Delta("z", (8,)), END):
        roster.deliver("a", event)
    assert client.events == [
        Accepted(1),
        Started(1.0),
        Delta("x", (5, 6)),
        Delta("y", (7,)),
        Delta("z", (8,)),
        END,
    ]
    assert not roster


def test_only_what_an_engine_has_lost_is_submitted_again() -> None:
    """A request on its way to an engine that stumbles arrives after all: never twice."""
    roster = Roster()
    for name in "ab":
        Client(roster, name)
    assert submitted(roster) == ["a", "b"]
    roster.crashed(ids={"a"})
    assert submitted(roster) == ["a"]


def test_many_crashes_with_progress_between_hurt_nobody() -> None:
    roster = Roster()
    clients = [Client(roster, name) for name in "abc"]
    for token in range(50):
        assert len(submitted(roster)) == 3
        for client in clients:
            roster.deliver(client.name, Delta("x", (token,)))
        roster.crashed()
    assert not any(client.failed for client in clients)


def test_a_lone_request_in_two_crashes_without_a_token_fails() -> None:
    roster = Roster()
    client = Client(roster, "a")
    for _ in range(2):
        assert submitted(roster) == ["a"]
        roster.crashed()
    assert client.failed
    assert isinstance(client.events[-1].error, EngineFailed)  # type: ignore[union-attr]
    assert not roster


def crash_if_inside(roster: Roster, culprit: str, inside: set[str]) -> bool:
    """Play an engine that dies of `culprit` before anybody gets a token."""
    if culprit not in inside:
        return False
    roster.crashed()
    return True


def test_the_culprit_is_found_among_innocents() -> None:
    roster = Roster()
    clients = {name: Client(roster, name) for name in "abcdef"}
    inside: set[str] = set()
    crashes = 0
    while not clients["d"].failed:
        inside |= set(submitted(roster))
        if crash_if_inside(roster, "d", inside):
            crashes += 1
            inside.clear()
            continue
        for name in sorted(inside):
            if roster.deliver(name, Delta("x", (1,))):
                inside |= set(submitted(roster))
            if crash_if_inside(roster, "d", inside):
                crashes += 1
                inside.clear()
                break
    assert crashes == 3
    assert [name for name, client in clients.items() if client.failed] == ["d"]


def test_suspects_go_one_at_a_time_and_newcomers_beside_them() -> None:
    roster = Roster()
    for name in "abc":
        Client(roster, name)
    for _ in range(2):
        submitted(roster)
        roster.crashed()
    assert submitted(roster) == ["a"]
    Client(roster, "new")
    assert submitted(roster) == ["new"]
    assert roster.deliver("a", Delta("x", (1,)))
    assert submitted(roster) == ["b"]
    assert roster.deliver("b", END)
    assert submitted(roster) == ["c"]


def test_a_suspect_that_leaves_makes_room_for_the_next() -> None:
    roster = Roster()
    for name in "ab":
        Client(roster, name)
    for _ in range(2):
        submitted(roster)
        roster.crashed()
    assert submitted(roster) == ["a"]
    assert roster.remove("a")
    assert submitted(roster) == ["b"]
    assert not roster.remove("a")


def test_a_beam_search_starts_again_from_its_prompt() -> None:
    roster = Roster()
    beams = BeamSearch(width=4, results=2)
    client = Client(roster, "a", SamplingParams(beams=beams))
    submitted(roster)
    roster.crashed()
    (live,) = roster.resubmit()
    assert live.given == []
    for index in (0, 1):
        roster.deliver("a", Delta("x", (1,), index=index))
        roster.deliver("a", Finished("stop", Usage(1, 1), index=index))
    assert len(client.events) == 4
    assert not roster


def test_all_end_with_an_error_when_nothing_goes_on() -> None:
    roster = Roster()
    clients = [Client(roster, name) for name in "ab"]
    roster.fail(Draining("bye"))
    assert all(client.failed for client in clients)
    assert not roster
