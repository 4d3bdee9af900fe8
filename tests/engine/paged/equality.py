"""Greedy answers of the paged engine against GenAI's, to dialogues that training never showed.

The tests take a few; ``python -m tests.engine.paged.equality 53`` takes so many of each task.
"""

from __future__ import annotations

import argparse
import random

from ovapi.core import Failed, GenerateRequest, TextPrompt
from ovapi.engine.base import EngineSpec
from ovapi.engine.genai.loader import load_batching
from ovapi.engine.paged.pipeline import PagedPipeline
from tests.engine.paged.conftest import load
from tests.engine.paged.stepping import Result, Stepper, request, run
from tests.support.driver import DEMO, TOKEN_BYTES
from training.evaluate import draw_cases


class Contest:
    """The same prompts for all; `expected` are GenAI's answers to each, one at a time."""

    def __init__(self, each: int) -> None:
        cases = draw_cases(each, seed=1)
        self.prompts = [TextPrompt(case.prompt) for case in cases if len(case.prompt) < 1000]
        genai, _ = load_batching(EngineSpec("demo", DEMO))
        self.expected = [run(genai, [one])[0] for one in self.requests()]

    def requests(self) -> list[GenerateRequest]:
        return [request(prompt, max_tokens=200) for prompt in self.prompts]

    def alone(self, engine: PagedPipeline) -> list[int]:
        """The numbers of the prompts that are answered differently, each asked alone."""
        return self._differing([run(engine, [one])[0] for one in self.requests()])

    def together(self, engine: PagedPipeline) -> list[int]:
        return self._differing(run(engine, self.requests()))

    def crowded(self, engine: PagedPipeline) -> list[int]:
        """With random arrivals, of which a tenth is cancelled while it runs."""
        dice = random.Random(5)
        stepper = Stepper(engine)
        requests = self.requests()
        results, cancelled = [], set()
        for number, one in enumerate(requests):
            results.append(stepper.submit(one))
            while dice.random() < 0.3:
                stepper.step()
            if dice.random() < 0.1:
                cancelled.add(number)
                engine.cancel(one.id)
        stepper.finish()
        return [number for number in self._differing(results) if number not in cancelled]

    def _differing(self, results: list[Result]) -> list[int]:
        assert not any(isinstance(result.events[-1], Failed) for result in results if result.events)
        pairs = enumerate(zip(results, self.expected, strict=True))
        return [number for number, (one, other) in pairs if one.ids != other.ids]


def small() -> PagedPipeline:
    """With a cache of about a tenth of what a crowd needs."""
    return load(cache_bytes=12 * 32 * TOKEN_BYTES)


def main(each: int) -> None:
    contest = Contest(each)
    engine = load()
    print(f"{len(contest.prompts)} prompts; the numbers of those with another answer:")
    print("alone", contest.alone(engine))
    print("together", contest.together(engine))
    engine.cache.enabled = False
    engine.cache.forget()
    print("together without a prefix cache", contest.together(engine))
    crowded = small()
    print("crowded", contest.crowded(crowded), crowded.scheduler.preemptions, "preemptions")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("each", type=int, help="prompts of each task")
    main(parser.parse_args().each)
