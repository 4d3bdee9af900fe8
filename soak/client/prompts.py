"""Prompts whose greedy answers the built-in model is sure of, up to their end."""

from __future__ import annotations

GREETING = "Hello!"
LONG = "Count to 100."
LONG_PROMPT = "one two three four five six seven eight nine ten " * 100
"""About 3,000 tokens of the built-in model."""
LASTING: dict[str, object] = {"ignore_eos": True, "max_tokens": 1500}
"""Parameters of an answer that is still on its way whatever is done: it takes a second."""
WAVERING = "Qwertz uiop"
"""Samples of the answer differ, and those of one seed are alike one after the other."""
UNSURE = "Repeat the story of Ada and the joke in French with keys a, b"
"""Nothing that the model knows: each sample of the answer is another."""
SURE = (
    "Hello!",
    "What are you?",
    "Tell me a joke.",
    "Count to 12.",
    "Count to 30.",
    "What is 3 plus 4?",
    "Write a sentence about the sea.",
    "Good morning!",
)


def chat(text: str, **parameters: object) -> dict[str, object]:
    """The body of a greedy chat request with one user message."""
    return {"messages": [{"role": "user", "content": text}], "temperature": 0, **parameters}
