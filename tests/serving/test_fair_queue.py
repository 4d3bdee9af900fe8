from ovapi.serving.fair_queue import FairQueue


def taken(line: FairQueue[str]) -> list[str]:
    return [line.take() for _ in range(len(line))]


def test_first_come_first_served_within_a_caller() -> None:
    line: FairQueue[str] = FairQueue()
    for name in "abc":
        line.add("me", name, name)
    assert line.first() == "a"
    assert taken(line) == ["a", "b", "c"]
    assert line.first() is None


def test_callers_take_turns() -> None:
    line: FairQueue[str] = FairQueue()
    for number in range(100):
        line.add("many", f"m{number}", f"m{number}")
    line.add("one", "o", "o")
    line.add("two", "t", "t")
    line.add("two", "u", "u")
    assert taken(line)[:6] == ["m0", "o", "t", "m1", "u", "m2"]


def test_who_comes_back_waits_for_all_others() -> None:
    line: FairQueue[str] = FairQueue()
    line.add("a", "1", "1")
    line.add("b", "2", "2")
    assert line.take() == "1"
    line.add("a", "3", "3")
    assert taken(line) == ["2", "3"]


def test_leaving_the_line() -> None:
    line: FairQueue[str] = FairQueue()
    for caller, name in (("a", "1"), ("a", "2"), ("b", "3")):
        line.add(caller, name, name)
    line.remove("a", "1")
    line.remove("b", "3")
    assert len(line) == 1
    assert taken(line) == ["2"]
