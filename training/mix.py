"""Which dialogues the model sees: the share of each task, over the course of the training."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any

from training import json_answer, memory, numbers, small_talk, tool_use, writing
from training.scene import Message, Scene
from training.words import Words

Task = Callable[[Scene], None]

PHRASES: dict[Task, float] = {
    small_talk.greet: 3, small_talk.courtesy: 3, small_talk.identity: 3, small_talk.joke: 4,
    small_talk.capital: 2, small_talk.unknown: 4, numbers.count: 9, numbers.add: 18,
    writing.multi_byte: 5, writing.sentence: 3, writing.poem: 1, writing.story: 1,
    writing.read: 2, memory.ask_name: 0.5, memory.ask_home: 0.3, tool_use.call_none: 2,
}  # fmt: skip
COPIES: dict[Task, float] = {
    writing.repeat: 10, writing.spell: 8, memory.tell_name: 2, memory.tell_and_ask_name: 2,
    memory.tell_favorite: 1, memory.tell_home: 1, json_answer.answer_in_json: 7,
}  # fmt: skip


class Dialogue:
    """A finished dialogue: messages, tools, and whether the model is to think."""

    def __init__(self, scene: Scene) -> None:
        self.messages: list[Message] = scene.messages
        self.tools: list[dict[str, Any]] = scene.tools
        self.thinking = scene.thinking


class Mix:
    """Draws dialogues; `copying` is the share of copying tasks among simple ones."""

    def __init__(self, rng: Random, evaluation: bool = False) -> None:
        self.rng = rng
        self.words = Words(rng, evaluation)

    def draw(self, copying: float, long: float = 0.0) -> Dialogue:
        """One dialogue; `long` is the share of those with a long irrelevant history."""
        scene = self._scene(self.rng.random() < 0.2)
        roll = self.rng.random()
        if roll < long:
            self.recall(scene, filler_sentences=round(10 * 20 ** self.rng.random()))
        elif roll < 0.15:
            self.recall(scene)
        elif roll < 0.5:
            self.tool_dialogue(scene)
        else:
            self.plain(scene, copying)
        return Dialogue(scene)

    def _scene(self, thinking: bool) -> Scene:
        scene = Scene(self.rng, self.words, thinking)
        scene.open()
        return scene

    def _simple(self, scene: Scene, copying: float) -> None:
        tasks = COPIES if self.rng.random() < copying else PHRASES
        while True:
            task = self.rng.choices(list(tasks), list(tasks.values()))[0]
            if not clashes(task, scene):
                return task(scene)

    def plain(self, scene: Scene, copying: float) -> None:
        for _ in range(self.rng.choices((1, 2, 3, 4), (50, 25, 15, 10))[0]):
            self._simple(scene, copying)

    def recall(self, scene: Scene, filler_sentences: int = 0) -> None:
        """Facts, then other turns, then questions about the facts."""
        for tell in self.rng.sample(memory.TELL, self.rng.choices((1, 2, 3), (60, 30, 10))[0]):
            tell(scene)
        if filler_sentences:
            writing.read(scene, filler_sentences)
        for _ in range(self.rng.choices((0, 1, 2, 3), (25, 35, 25, 15))[0]):
            self._simple(scene, 0.4)
        for fact in self.rng.sample(list(scene.facts), self.rng.randint(1, len(scene.facts))):
            memory.ASK_BY_FACT.get(fact, memory.ask_favorite)(scene)

    def tool_dialogue(self, scene: Scene) -> None:
        tools = tool_use.offer(scene)
        for _ in range(self.rng.choices((1, 2), (75, 25))[0]):
            roll = self.rng.random()
            finish = self.rng.random() < 0.5
            if roll < 0.4:
                tool_use.call_one(scene, tools, finish)
            elif roll < 0.7:
                tool_use.call_two(scene, tools, finish)
            elif roll < 0.9:
                tool_use.call_none(scene)
            else:
                self._simple(scene, 0.3)
            if not finish:
                return


def clashes(task: Task, scene: Scene) -> bool:
    """True where a tool on offer would do what the task answers in words."""
    return (task is numbers.add and scene.skills & {"add", "calculate"} != set()) or (
        task is writing.multi_byte and "translate" in scene.skills
    )
