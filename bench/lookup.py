"""What guessing ahead gains at one stream: prompt lookup and a draft model against neither.

python -m bench.lookup [--model FOLDER] [--draft FOLDER] [--rounds 5]

The engines run in this process, without a server, and take turns on the same prompts. Tokens per
second are medians over the rounds; "a step" is the tokens that a step gave on average.
"""

from __future__ import annotations

import argparse
import statistics
import time
from dataclasses import dataclass
from pathlib import Path

from ovapi.config.engine_options import SpeculationConfig
from ovapi.core import ChatPrompt, Delta, GenerateRequest, Message, SamplingParams
from ovapi.engine.base import EngineSpec
from ovapi.engine.genai.batching import BatchingPipeline
from ovapi.engine.genai.loader import load_batching

DEMO = Path(__file__).parent.parent / "models" / "ovapi-demo"
HOUSE = "the red house stands near the old bridge and the green garden"
WORKLOADS = {
    "copying": f"Repeat: {HOUSE}",
    "counting": "Count to 60.",
    "story": "Tell me a story about a dragon.",
}


@dataclass(frozen=True)
class Run:
    """One answer: its tokens, the steps that gave them, and the seconds it took to decode."""

    tokens: int
    steps: int
    seconds: float


def answer(pipeline: BatchingPipeline, name: str, text: str) -> Run:
    """Greedy, to its end; the time is from the first token, so that prefill is left out."""
    prompt = ChatPrompt((Message("user", text),))
    request = GenerateRequest(name, prompt, SamplingParams(temperature=0, max_tokens=400))
    pipeline.submit(pipeline.input_processor.prepare(request))
    tokens, steps, first, last = 0, 0, 0.0, 0.0
    while pipeline.busy:
        for _, event in pipeline.step():
            if isinstance(event, Delta):
                last = time.perf_counter()
                first = first or last
                tokens += len(event.token_ids)
                steps += 1
    return Run(tokens, steps, last - first)


def main(model: Path, draft: Path, rounds: int) -> None:
    kinds = {
        "neither": None,
        "prompt lookup": SpeculationConfig(),
        "draft": SpeculationConfig(draft=draft),
    }
    pipelines = {
        kind: load_batching(EngineSpec(model.name, model, speculation=guessing))[0]
        for kind, guessing in kinds.items()
    }
    print("| Workload | Guessing by | Tokens/s | Gain | Tokens a step |")
    print("| --- | --- | ---: | ---: | ---: |")
    for workload, text in WORKLOADS.items():
        runs: dict[str, list[Run]] = {kind: [] for kind in pipelines}
        for number in range(rounds + 1):  # the first one warms up
            for kind, pipeline in pipelines.items():
                runs[kind].append(answer(pipeline, f"{workload}-{number}", text))
        speeds = {
            kind: statistics.median((run.tokens - 1) / run.seconds for run in found[1:])
            for kind, found in runs.items()
        }
        for kind, found in runs.items():
            gain = speeds[kind] / speeds["neither"]
            a_step = found[-1].tokens / found[-1].steps
            print(f"| {workload} | {kind} | {speeds[kind]:.0f} | {gain:.2f} | {a_step:.1f} |")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, default=DEMO)
    parser.add_argument("--draft", type=Path, default=DEMO, help="a model of the same vocabulary")
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    main(arguments.model, arguments.draft, arguments.rounds)
