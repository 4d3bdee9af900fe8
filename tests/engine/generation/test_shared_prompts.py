"""The prompt of several choices crosses the pipe once, and the child forgets it with the last."""

from __future__ import annotations

from ovapi.core import GenerateRequest, SamplingParams, TextPrompt
from ovapi.engine.generation.in_flight_generation import InFlightGeneration
from ovapi.engine.generation.messages import ForgetPrompt, SharePrompt, Submit
from ovapi.engine.generation.shared_prompts import SharedPrompts
from soak.client.prompts import LONG
from tests.engine.process.test_supervision import process_of
from tests.support.driver import Driver, chat

PROMPT = TextPrompt("The same for all.")


def live(name: str, prompt: TextPrompt = PROMPT) -> InFlightGeneration:
    return InFlightGeneration(GenerateRequest(name, prompt, SamplingParams()), lambda _: None)


def test_choices_share_it() -> None:
    sent: list[object] = []
    prompts = SharedPrompts(sent.append)
    prompts.submit([live("a"), live("b"), live("other", TextPrompt("Another."))])
    share, *submits = sent
    assert share == SharePrompt(0, PROMPT)
    assert [(one.request.id, one.shared) for one in submits if isinstance(one, Submit)] == [
        ("a", 0),
        ("b", 0),
        ("other", None),
    ]
    sent.clear()
    prompts.submit([live("late")])
    assert [getattr(one, "shared", None) for one in sent] == [0]


def test_it_is_forgotten_with_the_last_that_has_it() -> None:
    sent: list[object] = []
    prompts = SharedPrompts(sent.append)
    prompts.submit([live("a"), live("b")])
    prompts.submit([live("a")])  # once more, after a step that failed
    sent.clear()
    for name in ("other", "a", "a"):
        prompts.ended(name)
    assert sent == []
    prompts.ended("b")
    assert sent == [ForgetPrompt(0)]
    prompts.submit([live("c"), live("d")])
    assert SharePrompt(1, PROMPT) in sent


def test_a_new_child_has_none() -> None:
    sent: list[object] = []
    prompts = SharedPrompts(sent.append)
    prompts.submit([live("a"), live("b")])
    prompts.clear()
    sent.clear()
    prompts.submit([live("a")])
    assert [one.shared for one in sent if isinstance(one, Submit)] == [None]
    prompts.ended("a")
    assert len(sent) == 1


async def test_choices_answer_as_one_alone_does_also_after_a_crash(batching: Driver) -> None:
    alone = await batching.ask(LONG)
    prompt = chat(LONG)
    first, *others = answers = [batching.submit(prompt) for _ in range(6)]
    await first.first_text()
    others.pop().cancel()
    process_of(batching).kill()
    await batching.all([first, *others])
    assert {answer.text for answer in answers[:-1]} == {alone.text}
    answers = [batching.submit(prompt) for _ in range(3)]
    assert {answer.text for answer in await batching.all(answers)} == {alone.text}
