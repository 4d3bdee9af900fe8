"""Counting and adding."""

from __future__ import annotations

from training.scene import Scene

IN_WORDS = (
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten",
    "eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen",
    "nineteen", "twenty",
)  # fmt: skip


def _listed(numbers: range) -> str:
    return ", ".join(map(str, numbers))


def count(scene: Scene) -> None:
    """Up to a number, between two numbers, or down."""
    kind = scene.rng.random()
    if kind < 0.65:
        _count_up(scene)
    elif kind < 0.85:
        _count_between(scene)
    else:
        _count_down(scene)


def _count_up(scene: Scene) -> None:
    high = scene.rng.choices((20, 50, 100), (60, 25, 15))[0]
    end = 100 if high == 100 and scene.rng.random() < 0.3 else scene.rng.randint(high // 8, high)
    spoken = IN_WORDS[end] if end < len(IN_WORDS) and scene.rng.random() < 0.4 else end
    request = scene.phrase(f"Count to {spoken}.", f"Count from 1 to {end}.",
                           f"Count up to {spoken}.",
                           f"Count to {end}!", f"List the numbers from 1 to {end}.")  # fmt: skip
    answer = _listed(range(1, end + 1))
    scene.exchange("count", scene.politely(request), answer, f"I count from 1 to {end}.")


def _count_between(scene: Scene) -> None:
    start = scene.rng.randint(2, 90)
    end = min(100, start + scene.rng.randint(2, 20))
    request = scene.phrase(f"Count from {start} to {end}.",
                           f"List the numbers from {start} to {end}.")  # fmt: skip
    answer = _listed(range(start, end + 1))
    scene.exchange("count", scene.politely(request), answer, f"I count from {start} to {end}.")


def _count_down(scene: Scene) -> None:
    start = scene.rng.randint(3, 20)
    request = scene.phrase(f"Count down from {start}.", f"Count backwards from {start}.",
                           f"Count down from {start} to 1.")  # fmt: skip
    answer = _listed(range(start, 0, -1))
    scene.exchange("count", scene.politely(request), answer, f"I count from {start} to 1.")


def add(scene: Scene) -> None:
    high = 20 if scene.rng.random() < 0.5 else 50
    a, b = scene.rng.randint(0, high), scene.rng.randint(0, high)
    question = scene.phrase(f"What is {a} + {b}?", f"What is {a} plus {b}?", f"{a} + {b}",
                            f"Add {a} and {b}.", f"How much is {a} + {b}?", f"What's {a}+{b}?",
                            f"Calculate {a} + {b}.", f"{a}+{b}=?", f"{a}+{b}",
                            f"What is {a}+{b}?", f"{a} + {b} =")  # fmt: skip
    scene.exchange("add", question, f"{a} + {b} = {a + b}", f"I add {a} and {b}.")
