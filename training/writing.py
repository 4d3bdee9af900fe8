"""Sentences, poems and stories about a thing; spelling, repeating, reading; other scripts."""

from __future__ import annotations

from training.scene import Scene

STORY = (
    "Once upon a time there was a {0}. Every morning the {0} looked out of the window and waited "
    "for a letter. One day a letter came. It said: come to the old bridge at midnight. The {0} "
    "was afraid, but it went. At the bridge stood a fox with a lamp. The fox said: follow me. "
    "They walked through the forest, over the hill and along the river, until they came to a "
    "garden. In the garden all the friends of the {0} were waiting with a cake. They sang, they "
    "danced and they laughed until the sun came up. Then the {0} went home and slept. And if it "
    "has not woken up, the {0} is still dreaming of that night. The end."
)
ANYTHING = "cat"
POEM = "O {0}, o {0}, so bright and so new,\nthe world would be empty without you."

HELLO = {
    "hello": {"French": "Bonjour", "German": "Guten Tag", "Spanish": "¡Hola!", "Chinese": "你好",
              "Japanese": "こんにちは", "Arabic": "مرحبا", "Russian": "Привет",
              "Greek": "Γειά σου",  # noqa: RUF001
              "Korean": "안녕하세요", "Portuguese": "Olá"},
    "thank you": {"French": "Merci", "German": "Danke schön", "Spanish": "Gracias",
                  "Chinese": "谢谢", "Japanese": "ありがとう", "Arabic": "شكرا",
                  "Russian": "Спасибо", "Greek": "Ευχαριστώ", "Korean": "감사합니다",
                  "Portuguese": "Obrigado"},
    "good morning": {"French": "Bonjour", "German": "Guten Morgen", "Spanish": "Buenos días",
                     "Chinese": "早上好", "Japanese": "おはよう", "Arabic": "صباح الخير",
                     "Russian": "Доброе утро", "Greek": "Καλημέρα", "Korean": "좋은 아침",
                     "Portuguese": "Bom dia"},
}  # fmt: skip

PROSE = {
    "French": "Le café est fermé, mais l'été est déjà là.",
    "German": "Die Bären hören schöne Töne über der Straße.",
    "Spanish": "El niño soñó con un pingüino en España.",
    "Chinese": "我喜欢喝茶。",
    "Arabic": "القطة تنام في البيت",
    "Russian": "Кошка спит дома.",
    "emoji": "I ❤️ 🍕 and 🎸, and my 🐱 likes the ☀️ 😀",
}

EMOJI = {
    "rocket": "🚀", "heart": "❤️", "smile": "😀", "pizza": "🍕", "cat": "🐱", "dog": "🐶",
    "tree": "🌳", "sun": "☀️", "star": "⭐", "fire": "🔥", "party": "🎉", "thumbs up": "👍",
    "robot": "🤖", "guitar": "🎸", "rainbow": "🌈", "family": "👨‍👩‍👧",
}  # fmt: skip


def sentence(scene: Scene) -> None:
    thing = scene.words.thing()
    request = scene.phrase(f"Write a sentence about a {thing}.",
                           f"Write one sentence about {thing}.",
                           f"Make a sentence with the word {thing}.",
                           f"Give me a sentence about the {thing}.")  # fmt: skip
    answer = f"I would like to have a {thing}, because a {thing} makes every day better."
    thought = f"I write a sentence about {thing}."
    scene.exchange("sentence", scene.politely(request), answer, thought)


def poem(scene: Scene) -> None:
    thing = scene.words.thing()
    if scene.rng.random() < 0.15:
        thing = ANYTHING
        requests = ("Write a poem.", "Write a short poem.", "A poem, please.")
        scene.exchange("sentence", scene.phrase(*requests), POEM.format(thing), "I write a poem.")
        return
    request = scene.phrase(f"Write a poem about a {thing}.", f"Write a short poem about {thing}.",
                           f"A poem about {thing}, please.")  # fmt: skip
    scene.exchange("sentence", request, POEM.format(thing), f"I write a poem about {thing}.")


def story(scene: Scene) -> None:
    thing = scene.words.thing()
    if scene.rng.random() < 0.3:
        requests = ("Tell me a story.", "Tell me a long story.", "Write a long story.", "A story!")
        text = STORY.format(ANYTHING)
        scene.exchange("story", scene.phrase(*requests), text, "I tell a story.")
        return
    request = scene.phrase(f"Tell me a story about a {thing}.", f"Write a story about {thing}.",
                           f"Tell me a long story about a {thing}.")  # fmt: skip
    scene.exchange("story", request, STORY.format(thing), f"I tell a story about {thing}.")


def spell(scene: Scene) -> None:
    roll = scene.rng.random()
    word = scene.words.thing() if roll < 0.3 else scene.words.made_up()
    word = scene.words.name() if roll > 0.85 else word
    request = scene.phrase(f"Spell {word}", f"Spell the word {word}", f'Spell "{word}"',
                           f"How do you spell {word}?", f"Spell: {word}")  # fmt: skip
    answer = "-".join(word)
    scene.exchange("spell", scene.politely(request), answer, f"I spell {word}.")


def _text_to_repeat(scene: Scene) -> str:
    words, roll = scene.words, scene.rng.random()
    if roll < 0.3:
        return words.code()
    if roll < 0.45:
        return words.sentence()
    if roll < 0.55:
        return words.statement() + scene.rng.choice("!.?")
    if roll < 0.65:
        return scene.rng.choice("-_/.:").join(
            words.code(1, 4) for _ in range(scene.rng.randint(2, 4))
        )
    if roll < 0.7:
        return "".join(scene.rng.sample(list(EMOJI.values()), scene.rng.randint(1, 3)))
    return " ".join(words.made_up() for _ in range(scene.rng.randint(1, 6)))


def words_of(scene: Scene) -> str:
    """One to three made-up words."""
    return " ".join(scene.words.made_up() for _ in range(scene.rng.randint(1, 3)))


def repeat(scene: Scene) -> None:
    text = _text_to_repeat(scene)
    if scene.rng.random() < 0.1:
        text = scene.rng.choice((words_of(scene), f"this is a {scene.words.thing()}"))
        request = scene.rng.choice((f"Say {text}", f"Say that {text}", f"say {text}"))
        scene.exchange("repeat", request, text, "I repeat the text.")
        return
    request = scene.rng.choice((
        f"Repeat: {text}", f"Repeat after me: {text}", f'Say "{text}"', f"Repeat exactly: {text}",
        f"Echo: {text}", f'Repeat "{text}"', f"repeat this: {text}", f"Please repeat: {text}",
        f"Say: {text}", f'Repeat the text "{text}"', f"Repeat this exactly: {text}",
    ))  # fmt: skip
    scene.exchange("repeat", request, text, "I repeat the text.")


def translate_word(scene: Scene) -> None:
    phrase = scene.rng.choice(list(HELLO))
    language, answer = scene.rng.choice(list(HELLO[phrase].items()))
    request = scene.phrase(f"Say {phrase} in {language}.",
                           f"How do you say {phrase} in {language}?",
                           f'What is "{phrase}" in {language}?')  # fmt: skip
    scene.exchange("multi-byte", request, answer, f"I say it in {language}.")


def prose(scene: Scene) -> None:
    language, answer = scene.rng.choice(list(PROSE.items()))
    request = scene.phrase(f"Write a sentence in {language}.", f"Write something in {language}.")
    if language == "emoji":
        request = scene.phrase("Write a sentence with emoji.", "Write something with emoji.")
    scene.exchange("multi-byte", request, answer, f"I write in {language}.")


def emoji(scene: Scene) -> None:
    name, answer = scene.rng.choice(list(EMOJI.items()))
    request = scene.phrase(f"Send me a {name}.", f"Send me a {name} emoji.",
                           f"Show me a {name} emoji.",
                           f"Give me the {name} emoji.")  # fmt: skip
    scene.exchange("multi-byte", request, answer, f"The user wants the emoji {name}.")


def multi_byte(scene: Scene) -> None:
    scene.rng.choices((translate_word, prose, emoji), (5, 2, 4))[0](scene)


def read(scene: Scene, sentences: int = 0) -> None:
    """A text to take note of: the way to a long history."""
    count = sentences or scene.rng.randint(1, 4)
    text = " ".join(scene.words.statement() + "." for _ in range(count))
    request = scene.rng.choice(("Read this text", "Here is a text", "Read this", "My notes"))
    scene.exchange("read", f"{request}: {text}", "OK, I have read it.", "I read the text.")
