from dataclasses import replace

from ovapi.core import (
    BeamSearch,
    ChatPrompt,
    GenerateRequest,
    Message,
    Prompt,
    SamplingParams,
    TextPrompt,
    TokenPrompt,
)
from ovapi.serving.admission import AdmissionControl, Demand, demand_of


def request(prompt: Prompt, max_tokens: int | None = 10, width: int = 0) -> GenerateRequest:
    beams = BeamSearch(width=width) if width else None
    return GenerateRequest(
        "a", prompt, replace(SamplingParams(), max_tokens=max_tokens, beams=beams)
    )


def test_both_limits_hold() -> None:
    admission = AdmissionControl()
    admission.enter(Demand(2, 100))
    assert admission.admits(Demand(1, 50), 3, 150)
    assert not admission.admits(Demand(2, 50), 3, 150)
    assert not admission.admits(Demand(1, 51), 3, 150)
    assert admission.admits(Demand(1, 10**9), 3, None)
    admission.leave(Demand(2, 100))
    assert len(admission) == 0


def test_what_is_too_much_on_its_own_goes_alone() -> None:
    admission = AdmissionControl()
    assert admission.admits(Demand(9, 10**9), 3, 150)
    admission.enter(Demand(9, 10**9))
    assert not admission.admits(Demand(1, 1), 3, 150)


def test_the_load_of_a_request() -> None:
    ids, text = TokenPrompt((1, 2, 3)), TextPrompt("x" * 40)
    chat = ChatPrompt((Message("system", "x" * 8), Message("user", "x" * 12)))
    assert demand_of(request(ids), 4096) == Demand(1, 13)
    assert demand_of(request(text), 4096) == Demand(1, 20)
    assert demand_of(request(chat), None) == Demand(1, 15)
    assert demand_of(request(text), 4096, prompt_tokens=12) == Demand(1, 22)
    assert demand_of(request(ids, width=4), 4096) == Demand(4, 43)


def test_nothing_is_more_than_the_context() -> None:
    ids = TokenPrompt((1, 2, 3))
    assert demand_of(request(ids, max_tokens=None), 100) == Demand(1, 100)
    assert demand_of(request(ids, max_tokens=900), 100) == Demand(1, 100)
