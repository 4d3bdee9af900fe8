"""The raw pipeline: what a server over it could reach at best.

In a process of its own it loads a model exactly as an engine process of ovapi does, and then runs
the load generator's requests with nothing around them but `add_request`, `step` and `read`.
"""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from time import perf_counter
from typing import Any

from bench.connection import Answer
from bench.figures import Figures, figures
from bench.processes import busy_seconds
from bench.workload import Run


class RawPipeline:
    """The pipeline's process, from here."""

    def __init__(self, config: Path, model: str) -> None:
        """`config` is the server's file, `model` the name of one of its models."""
        context = multiprocessing.get_context("spawn")
        self._connection, child = context.Pipe()
        self._process = context.Process(target=_serve, args=(child, config, model), daemon=True)
        self._process.start()
        child.close()
        self._connection.recv()  # it is loaded

    def run(self, run: Run) -> Figures:
        self._connection.send(run)
        found: Figures = self._connection.recv()
        return found

    def close(self) -> None:
        self._process.kill()
        self._process.join()


def _serve(connection: Connection[Any, Any], config: Path, model: str) -> None:
    pipeline = _load(config, model)
    connection.send("loaded")
    with suppress(EOFError):  # at the end of the process that asks
        while True:
            connection.send(pipeline.run(connection.recv()))


def _load(config: Path, name: str) -> _Pipeline:
    """By ovapi's own code, so that every property and the scheduler are the same."""
    import openvino_genai as genai

    from ovapi.config.loader import load
    from ovapi.engine.genai.loader import load_batching
    from ovapi.serving.model_manager import ModelManager

    loaded = load(config)
    manager = ModelManager(loaded, None, lambda *_: None)  # type: ignore[arg-type]
    (spec,) = (manager._spec(entry) for entry in loaded.models if entry.name == name)
    pipeline, _ = load_batching(spec)
    return _Pipeline(pipeline._pipeline.inner, genai.Tokenizer(spec.path), spec.max_running)


@dataclass(slots=True)
class _Pipeline:
    pipeline: Any
    tokenizer: Any
    most: int  # requests at a time, as in the server

    def run(self, run: Run) -> Figures:
        """Figures as `bench.load` has them. Prompts are tokenized before the clock starts."""
        import openvino_genai as genai

        config = genai.GenerationConfig()
        config.max_new_tokens = run.workload.output_tokens
        config.ignore_eos = True
        prompts = [run.workload.prompt(number) for number in range(run.requests)]
        inputs = iter([self.tokenizer.encode(prompt).input_ids for prompt in prompts])
        before, busy = time.process_time(), busy_seconds()
        answers = list(self._answers(inputs, config, min(run.streams, self.most)))
        cpu, busy = time.process_time() - before, busy_seconds() - busy
        self.pipeline.step()  # frees the last requests' blocks
        found = figures(answers)
        others = round(max(0.0, busy - cpu) / found["seconds"], 4)
        return found | {"engine_cpu_seconds": round(cpu, 3), "others_cpu_share": others}

    def _answers(self, inputs: Iterator[Any], config: Any, streams: int) -> Iterator[Answer]:
        running: list[tuple[Any, Answer]] = []
        number = 0
        while True:
            while len(running) < streams and (ids := next(inputs, None)) is not None:
                answer = Answer(sent=perf_counter(), prompt_tokens=ids.shape[1])
                running.append((self.pipeline.add_request(number, ids, config), answer))
                number += 1
            if not running:
                return
            self.pipeline.step()
            for one in running.copy():
                if _read(*one, config.max_new_tokens):
                    running.remove(one)
                    yield one[1]


def _read(handle: Any, answer: Answer, tokens: int) -> bool:
    """Take what there is for a request; true at its end."""
    if not handle.can_read():  # it prefills, or it waits for the cache
        return False
    (output,) = handle.read().values()
    now = perf_counter()
    answer.first = answer.first or now
    answer.last = answer.ended = now
    answer.output_tokens += len(output.generated_ids)
    answer.events += 1
    return answer.output_tokens >= tokens
