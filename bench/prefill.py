"""What long prompts cost: a conversation's second turn, and the streams that run beside a prompt.

python -m bench.prefill [--model FOLDER] [--chunks 64 256] [--slowdowns 2.5 1000] [--rounds 5]

The engine runs in this process, without a server. A chunk is `max_batched_tokens`, and 1000 for
`max_slowdown` gives a prompt all the steps there are. Figures are medians over the rounds; every
prompt is new to the prefix cache.
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from random import Random
from time import perf_counter

from bench.workload import WORDS
from ovapi.core import ChatPrompt, Delta, GenerateRequest, Message, SamplingParams, TokenPrompt
from ovapi.engine.base import EngineSpec
from ovapi.engine.genai.batching import BatchingPipeline
from ovapi.engine.genai.loader import load_batching

DEMO = Path(__file__).parent.parent / "models" / "ovapi-demo"
HISTORY = 2000
ENTERING = 4000
_ANSWER = 16


@dataclass
class Bench:
    """Numbers its requests, so that each is another."""

    pipeline: BatchingPipeline
    vocabulary: int
    random: Random
    count: int = 0

    def submit(self, prompt: ChatPrompt | TokenPrompt, tokens: int) -> str:
        self.count += 1
        sampling = SamplingParams(max_tokens=tokens, temperature=0, ignore_eos=True)
        request = GenerateRequest(str(self.count), prompt, sampling)
        self.pipeline.submit(self.pipeline.input_processor.prepare(request))
        return str(self.count)

    def step(self) -> dict[str, int]:
        """One step; the tokens that each request got."""
        events = self.pipeline.step()
        return {name: len(event.token_ids) for name, event in events if isinstance(event, Delta)}

    def first_token(self, prompt: ChatPrompt) -> float:
        """Seconds until the first token, while nothing else runs; then runs to its end."""
        start = perf_counter()
        name = self.submit(prompt, _ANSWER)
        while name not in self.step():
            pass
        seconds = perf_counter() - start
        while self.pipeline.busy:
            self.step()
        return seconds

    def turns(self) -> tuple[float, float]:
        """Times to the first token of a conversation's first and second turn."""
        history = Message("user", self._history())
        first = self.first_token(ChatPrompt((history,)))
        answer, question = Message("assistant", "Yes."), Message("user", "And what else?")
        return first, self.first_token(ChatPrompt((history, answer, question)))

    def _history(self) -> str:
        """Words that come to about HISTORY tokens."""
        words = self.random.choices(WORDS, k=HISTORY)
        ids = self.pipeline.input_processor.encode(ChatPrompt((Message("user", " ".join(words)),)))
        return " ".join(words[: HISTORY * HISTORY // len(ids)])

    def beside(self, streams: int) -> tuple[float, float, float]:
        """Seconds a token of running streams, alone and while a long prompt enters, and the
        seconds that this takes."""
        names = [self.submit(self._tokens(16), 3000) for _ in range(streams)]
        while set(self.step()) != set(names):
            pass
        alone = self._per_token(names, lambda got, steps: steps == 20)
        start = perf_counter()
        entering = self.submit(self._tokens(ENTERING), 1)
        during = self._per_token(names, lambda got, steps: entering in got)
        seconds = perf_counter() - start
        for name in names:
            self.pipeline.cancel(name)
        while self.pipeline.busy:
            self.step()
        return alone, during, seconds

    def _per_token(self, names: list[str], over: Callable[[dict[str, int], int], bool]) -> float:
        start, tokens, steps = perf_counter(), 0, 0
        while True:
            got = self.step()
            steps += 1
            tokens += sum(got.get(name, 0) for name in names)
            if over(got, steps):
                return (perf_counter() - start) * len(names) / tokens

    def _tokens(self, count: int) -> TokenPrompt:
        return TokenPrompt(tuple(self.random.randrange(self.vocabulary) for _ in range(count)))


def load(model: Path, chunk: int, slowdown: float) -> Bench:
    cache = 1 << 30  # several are loaded together
    spec = EngineSpec(
        model.name,
        model,
        context=8192,
        cache_bytes=cache,
        max_batched_tokens=chunk,
        max_slowdown=slowdown,
    )
    pipeline, info = load_batching(spec)
    return Bench(pipeline, info.vocabulary, Random(1))


def main(model: Path, chunks: list[int], slowdowns: list[float], rounds: int) -> None:
    print("| Chunk | First turn, ms | Second turn, ms | Ratio |")
    print("| ---: | ---: | ---: | ---: |")
    benches = {
        (chunk, slowdown): load(model, chunk, slowdown)
        for chunk in chunks
        for slowdown in slowdowns
    }
    for chunk in chunks:
        bench = benches[chunk, slowdowns[0]]
        bench.turns()  # warms up
        pairs = [bench.turns() for _ in range(rounds)]
        first, second = (statistics.median(times) for times in zip(*pairs, strict=True))
        print(f"| {chunk} | {first * 1e3:.0f} | {second * 1e3:.1f} | {second / first:.3f} |")
    print()
    print("| Chunk | Slowdown | Streams | ms a token | beside a prompt | Factor | Entering, s |")
    print("| ---: | ---: | ---: | ---: | ---: | ---: | ---: |")
    for (chunk, slowdown), bench in benches.items():
        for streams in (1, 8):
            runs = [bench.beside(streams) for _ in range(rounds)]
            alone, during, seconds = (statistics.median(part) for part in zip(*runs, strict=True))
            print(
                f"| {chunk} | {slowdown:g} | {streams} | {alone * 1e3:.1f} | {during * 1e3:.1f} "
                f"| {during / alone:.1f} | {seconds:.2f} |"
            )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, default=DEMO)
    parser.add_argument("--chunks", type=int, nargs="+", default=[64, 256])
    parser.add_argument("--slowdowns", type=float, nargs="+", default=[2.5, 1000])
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    main(arguments.model, arguments.chunks, arguments.slowdowns, arguments.rounds)
