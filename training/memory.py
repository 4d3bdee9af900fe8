"""Facts that the user tells and asks for later."""

from __future__ import annotations

from training.scene import Scene

UNKNOWN = "You have not told me that yet."


def tell_name(scene: Scene) -> None:
    name = scene.words.name()
    text = scene.phrase(f"My name is {name}.", f"I am {name}.", f"I'm {name}.",
                        f"Call me {name}.", f"Hello, my name is {name}.", f"Hi, I'm {name}!",
                        f"Hi! My name is {name}.", f"Please call me {name}.",
                        f"My name is {name}, nice to meet you.")  # fmt: skip
    scene.facts["name"] = name
    scene.exchange("memory", text, f"Nice to meet you, {name}!", "The user tells me a name.")


def ask_name(scene: Scene) -> None:
    question = scene.phrase("What is my name?", "What's my name?", "Do you remember my name?",
                            "Who am I?", "Tell me my name.", "What was my name again?",
                            "Do you know my name?")  # fmt: skip
    name = scene.facts.get("name")
    answer = f"Your name is {name}." if name else UNKNOWN
    scene.exchange("memory", question, answer, "The user wants to know the name.")


def tell_home(scene: Scene) -> None:
    city = scene.facts["home"] = scene.words.city()
    text = scene.phrase(f"I live in {city}.", f"I come from {city}.", f"I am from {city}.",
                        f"My home is {city}.")  # fmt: skip
    scene.exchange("memory", text, f"I hear {city} is a nice place!", "The user tells me a place.")


def ask_home(scene: Scene) -> None:
    question = scene.phrase("Where do I live?", "Where am I from?", "Where do I come from?",
                            "Do you know where I live?", "Where is my home?")  # fmt: skip
    city = scene.facts.get("home")
    answer = f"You live in {city}." if city else UNKNOWN
    scene.exchange("memory", question, answer, "The user wants to know the place.")


def tell_favorite(scene: Scene) -> None:
    words = scene.words
    kind = scene.rng.choice(("color", "food", "animal", "number"))
    value = {"color": words.color(), "food": words.food(), "animal": words.thing(),
             "number": str(scene.rng.randint(2, 99))}[kind]  # fmt: skip
    scene.facts[kind] = value
    text = scene.phrase(f"My favorite {kind} is {value}.",
                        f"The {kind} that I like most is {value}.",
                        f"Remember that my favorite {kind} is {value}.")  # fmt: skip
    answer = f"I will remember your favorite {kind}."
    scene.exchange("memory", text, answer, "The user tells me a fact.")


def ask_favorite(scene: Scene) -> None:
    kinds = ("color", "food", "animal", "number")
    known = [kind for kind in kinds if kind in scene.facts]
    kind = scene.rng.choice(known if known and scene.rng.random() < 0.9 else kinds)
    question = scene.phrase(f"What is my favorite {kind}?", f"Which {kind} do I like most?",
                            f"Do you remember my favorite {kind}?")  # fmt: skip
    value = scene.facts.get(kind)
    answer = f"Your favorite {kind} is {value}." if value else UNKNOWN
    scene.exchange("memory", question, answer, "The user wants to know a fact.")


def tell_and_ask_name(scene: Scene) -> None:
    """Both in one turn."""
    name = scene.facts["name"] = scene.words.name()
    question = scene.rng.choice((f"My name is {name}. What is my name?",
                                 f"I am {name}. Who am I?"))  # fmt: skip
    scene.exchange("memory", question, f"Your name is {name}.", "The user tells me a name.")


ASK_BY_FACT = {"name": ask_name, "home": ask_home}
TELL = (tell_name, tell_name, tell_name, tell_home, tell_favorite)
