"""Answers in JSON with the keys that the user asks for."""

from __future__ import annotations

import json
from collections.abc import Callable

from training.scene import Scene
from training.toolbox import Value
from training.words import Words

FACTS: dict[str, tuple[Callable[[Words], Value], tuple[str, ...]]] = {
    "name": (Words.name, ("{} is here.", "The name is {}.", "This is {}.", "My name is {}.")),
    "city": (Words.city, ("The city is {}.", "I live in {}.", "Home is {}.")),
    "country": (Words.country, ("The country is {}.", "It is a country called {}.")),
    "age": (lambda words: words.rng.randint(1, 99), ("The age is {}.", "{} years old.")),
    "color": (Words.color, ("The color is {}.", "I like the color {}.")),
    "food": (Words.food, ("The food is {}.", "I like to eat {}.")),
    "job": (Words.job, ("The job is {}.", "I work as a {}.")),
    "pet": (Words.thing, ("The pet is a {}.", "I have a pet {}.")),
    "price": (lambda words: words.rng.randint(1, 999), ("The price is {}.", "It costs {} euros.")),
}


def _keys_and_values(scene: Scene) -> dict[str, tuple[Value, str]]:
    """Some keys, each with a value and a sentence that tells it."""
    rng, words = scene.rng, scene.words
    found: dict[str, tuple[Value, str]] = {}
    for key in rng.sample(list(FACTS), rng.choices((1, 2, 3, 4), (15, 45, 30, 10))[0]):
        draw, sentences = FACTS[key]
        value = draw(words)
        key = key if rng.random() < 0.8 else words.made_up()
        sentence = rng.choice(sentences) if key in FACTS else f"The {key} is {{}}."
        found[key] = (value, sentence.format(value))
    return found


def _text(scene: Scene, found: dict[str, tuple[Value, str]]) -> str:
    """The facts as prose in any order, as a list `key: value`, or in one clause."""
    style = scene.rng.random()
    if style < 0.2:
        return ", ".join(f"{key}: {value}" for key, (value, _) in found.items())
    if style < 0.4:
        return " and ".join(f"the {key} is {value}" for key, (value, _) in found.items())
    sentences = [sentence for _, sentence in found.values()]
    if scene.rng.random() < 0.4:
        scene.rng.shuffle(sentences)
    return " ".join(sentences)


def _enumerated(keys: list[str]) -> str:
    return keys[0] if len(keys) == 1 else ", ".join(keys[:-1]) + " and " + keys[-1]


def answer_in_json(scene: Scene) -> None:
    found = _keys_and_values(scene)
    text = _text(scene, found)
    keys = list(found)
    if len(keys) > 1 and scene.rng.random() < 0.3:
        keys = scene.rng.sample(keys, scene.rng.randint(1, len(keys)))
    noun = "key" if len(keys) == 1 else "keys"
    order = scene.rng.choice((
        f"Answer in JSON with the {noun} {_enumerated(keys)}", f"Reply in JSON with the {noun} "
        f"{_enumerated(keys)}", f"Give me JSON with the {noun} {_enumerated(keys)}",
        f"Return a JSON object with the {noun} {', '.join(keys)}",
        f"Extract the {_enumerated(keys)} as JSON", f"As JSON with {_enumerated(keys)}",
    ))  # fmt: skip
    question = f"{order}: {text}" if scene.rng.random() < 0.7 else f"{text} {order}."
    answer = json.dumps({key: found[key][0] for key in keys}, ensure_ascii=False)
    thought = f"The keys are {_enumerated(keys)}."
    scene.exchange("json", question, answer, thought)
