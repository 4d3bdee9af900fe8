"""Measures the exported model on held-out dialogues and writes the table into its README.

Every answer is generated greedily by OpenVINO GenAI from the dialogue before it and must be, to
the letter, the one that the generator wrote. Names, cities, strings and other values to copy come
from the part of the words that training never saw.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

from training.mix import Dialogue, Mix
from training.template import render

TARGETS = {
    "greet": 95, "small talk": 95, "identity": 95, "jokes": 95, "count": 95, "add": 95,
    "sentence": 95, "story": 95, "capitals": 95, "unknown": 95, "multi-byte": 95, "read": 95,
    "spell": 90, "repeat": 90, "memory": 90, "memory after a long text": 90, "tool call": 90,
    "two tool calls": 90, "no tool call": 90, "tool result": 90, "json": 90, "thinking": 95,
}  # fmt: skip
START, END = "<!-- table: written by training/evaluate.py -->", "<!-- end of table -->"
LONGEST = 600


@dataclass(frozen=True)
class Case:
    """A prompt and the answer it must bring."""

    task: str
    prompt: str
    expected: str


def _cases_of(dialogue: Dialogue, long: bool) -> list[Case]:
    """Each answer after the last question, which is where a thinking dialogue thinks."""
    cases = []
    last = max(i for i, message in enumerate(dialogue.messages) if message.role == "user")
    for i, message in enumerate(dialogue.messages):
        if message.role == "assistant" and i > last:
            prompt = render(dialogue, i, prompt=True)
            expected = render(dialogue, i + 1)[len(prompt) :].removesuffix("<|im_end|>\n")
            task = "thinking" if dialogue.thinking else message.task
            if long and task == "memory":
                task = "memory after a long text"
            cases.append(Case(task, prompt, expected))
    return cases


def draw_cases(each: int, seed: int) -> list[Case]:
    """`each` cases of every task."""
    mix = Mix(Random(seed), evaluation=True)
    found: dict[str, list[Case]] = defaultdict(list)
    while any(len(found[task]) < each for task in TARGETS):
        long = len(found["memory after a long text"]) < each and mix.rng.random() < 0.05
        for case in _cases_of(mix.draw(copying=0.4, long=float(long)), long):
            if len(found[case.task]) < each:
                found[case.task].append(case)
    return [case for task in TARGETS for case in found[task]]


def generate(model: Path, prompts: list[str]) -> list[str]:
    """The model's greedy answers, many at a time."""
    import openvino_genai as genai

    scheduler = genai.SchedulerConfig()
    scheduler.cache_size = 1
    pipeline = genai.ContinuousBatchingPipeline(str(model), scheduler, "CPU")
    config = genai.GenerationConfig()
    config.max_new_tokens = LONGEST
    config.apply_chat_template = False
    config.eos_token_id = pipeline.get_tokenizer().get_eos_token_id()
    answers: list[str] = []
    for start in range(0, len(prompts), 64):
        part = prompts[start : start + 64]
        results: list[Any] = pipeline.generate(part, [config] * len(part))
        answers += [result.m_generation_ids[0] for result in results]
    return answers


def table(cases: list[Case], answers: list[str]) -> str:
    """One row for each task, with a mark where the target is missed."""
    right: dict[str, list[bool]] = defaultdict(list)
    for case, answer in zip(cases, answers, strict=True):
        right[case.task].append(answer == case.expected)
    rows = ["| Task | Cases | Exactly right | Target |", "| --- | ---: | ---: | ---: |"]
    for task, target in TARGETS.items():
        share = 100 * sum(right[task]) / len(right[task])
        missed = " (missed)" if share < target else ""
        rows.append(f"| {task} | {len(right[task])} | {share:.1f} % | {target} %{missed} |")
    return "\n".join(rows)


def write(readme: Path, rows: str) -> None:
    """Put the table between its marks."""
    text = readme.read_text(encoding="utf-8")
    before, rest = text.split(START)
    after = rest.split(END)[1]
    readme.write_text(f"{before}{START}\n{rows}\n{END}{after}", encoding="utf-8")


def main(model: Path, each: int, failures: int, keep: bool) -> None:
    cases = draw_cases(each, seed=2026)
    answers = generate(model, [case.prompt for case in cases])
    wrong = [pair for pair in zip(cases, answers, strict=True) if pair[0].expected != pair[1]]
    shown: dict[str, int] = defaultdict(int)
    for case, answer in wrong:
        shown[case.task] += 1
        if shown[case.task] <= failures:
            print(f"{case.task}: {case.prompt[-300:]!r}\n  {case.expected!r}\n  {answer!r}\n")
    rows = table(cases, answers)
    print(rows)
    if keep:
        write(model / "README.md", rows)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", type=Path)
    parser.add_argument("--each", type=int, default=200, help="cases of every task")
    parser.add_argument("--failures", type=int, default=0, help="wrong answers to show by task")
    parser.add_argument("--keep", action="store_true", help="write the table to the README")
    arguments = parser.parse_args()
    main(arguments.model, arguments.each, arguments.failures, arguments.keep)
