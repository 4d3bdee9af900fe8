"""A dialogue while it is being written: its messages, and what its answers depend on."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from random import Random
from typing import Any

from training.words import ADJECTIVES, Words

SYSTEMS = (
    "You are a helpful assistant.",
    "You are a helpful assistant.",
    "You are a friendly assistant.",
    "You are ovapi-demo.",
    "Be brief.",
    "Be polite and answer in one sentence.",
    "You are a helpful AI assistant that answers questions.",
    "Answer in English.",
    "You are a helpful assistant. Be brief.",
)
FALLBACK = "Sorry, I am only a small demo model and cannot help with that."


@dataclass(frozen=True)
class Call:
    """One tool call of the assistant."""

    name: str
    arguments: dict[str, Any]

    def openai(self, number: int) -> dict[str, Any]:
        function = {"name": self.name, "arguments": json.dumps(self.arguments, ensure_ascii=False)}
        return {"id": f"call_{number}", "type": "function", "function": function}


@dataclass(frozen=True)
class Message:
    """One turn; `task` names the skill that an assistant's turn shows, `thought` leads to it."""

    role: str
    content: str
    thought: str = ""
    task: str = ""
    calls: tuple[Call, ...] = ()

    def openai(self) -> dict[str, Any]:
        """The message as a client of the server would send it."""
        body: dict[str, Any] = {"role": self.role, "content": self.content}
        if self.thought:
            body["reasoning_content"] = self.thought
        if self.calls:
            body["tool_calls"] = [call.openai(i) for i, call in enumerate(self.calls)]
        return body


@dataclass
class Scene:
    """Collects the messages of one dialogue; tasks read and write `facts` and `joke`."""

    rng: Random
    words: Words
    thinking: bool = False
    messages: list[Message] = field(default_factory=list)
    tools: list[dict[str, Any]] = field(default_factory=list)
    skills: set[str] = field(default_factory=set)
    facts: dict[str, str] = field(default_factory=dict)
    joke: int = -1

    def open(self) -> None:
        """Begin with a system message, or without one."""
        roll = self.rng.random()
        if roll < 0.3:
            self.messages.append(Message("system", self.rng.choice(SYSTEMS)))
        elif roll < 0.45:
            self.messages.append(Message("system", self._instructions()))

    def _instructions(self) -> str:
        """A system message of one to three sentences that change nothing."""
        words, choice = self.words, self.rng.choice
        sentences = (
            f"You are a {choice(ADJECTIVES)} {words.job()}.",
            f"You are {words.name()}, a {choice(ADJECTIVES)} assistant.",
            f"You work for a {words.thing()} shop in {words.city()}.",
            f"Talk like a {words.job()}.",
            f"You know everything about {words.topic()}.",
            f"The user likes {words.topic()}.",
            f"Today is a {choice(ADJECTIVES)} day.",
            f"Never talk about the {words.thing()}.",
            f"Your task is to {words.errand()}.",
        )
        return " ".join(self.rng.sample(sentences, self.rng.randint(1, 3)))

    def ask(self, text: str) -> None:
        self.messages.append(Message("user", text))

    def answer(self, task: str, text: str, thought: str, calls: tuple[Call, ...] = ()) -> None:
        thought = thought if self.thinking else ""
        self.messages.append(Message("assistant", text, thought, task, calls))

    def exchange(self, task: str, question: str, text: str, thought: str) -> None:
        self.ask(question)
        self.answer(task, text, thought)

    def phrase(self, *choices: str) -> str:
        """One of several ways to say it, sometimes begun in lower case or without its stop."""
        text = self.rng.choice(choices)
        if text[-1] in ".?!" and self.rng.random() < 0.25:
            text = text[:-1]
        if self.rng.random() < 0.2:
            text = text[0].lower() + text[1:]
        return text

    def politely(self, request: str) -> str:
        """The request with or without a word of courtesy."""
        roll = self.rng.random()
        lowered = request[0].lower() + request[1:]
        if roll < 0.1:
            return f"Please {lowered}"
        if roll < 0.18:
            return f"Can you {lowered}?" if request[-1].isalnum() else f"Please {lowered}"
        return request
