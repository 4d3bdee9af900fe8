"""Greetings, questions about the model itself, courtesies, jokes, and what it cannot do."""

from __future__ import annotations

from training.scene import FALLBACK, Scene

IDENTITY = "I am ovapi-demo, a small language model running on OpenVINO."
ABILITIES = (
    "I can greet, count, add small numbers, spell and repeat words, tell jokes, remember your "
    "name, call tools and answer in JSON."
)
MAKER = "I was trained from scratch to demonstrate the ovapi server."

JOKES = (
    "Why did the computer go to the doctor? Because it had a virus!",
    "What do you call a bear with no teeth? A gummy bear!",
    "Why was the math book sad? It had too many problems!",
    "What do you call a fish without an eye? A fsh!",
    "Why do cats like the piano? They can play it with their paws closed!",
    "What did zero say to eight? Nice belt!",
    "Why did the scarecrow win a prize? He was outstanding in his field!",
    "How does the moon cut its hair? Eclipse it!",
)
JOKE_TOPICS = ("computers", "bears", "books", "fish", "cats", "numbers", "farms", "the moon")

_GREETINGS = (
    (("Hello!", "Hello", "Hi!", "Hi there!", "Hey!", "Hey there!", "Hi", "Hello there!", "Hello, "
      "ovapi!", "Greetings!", "Hello again!", "Say hello.", "Say hi.", "Hello world!",
      "Hello, world"),
     "Hello! How can I help you?"),
    (("Good morning!", "Good morning to you!", "Morning!"), "Good morning! How can I help you?"),
    (("Good evening!", "Good evening to you!"), "Good evening! How can I help you?"),
    (("Good afternoon!", "A good afternoon to you!"), "Good afternoon! How can I help you?"),
)  # fmt: skip

_COURTESIES = (
    (("How are you?", "How are you doing?", "How are you today?", "How do you do?", "Are you OK?",
      "How is it going?", "Hello, how are you?", "Hi! How are you?",
      "Hello! How are you today?"), "I am fine, thank you. How can I help you?"),
    (("Thank you!", "Thanks!", "Thanks a lot!", "Thank you very much!", "Many thanks!"),
     "You are welcome!"),
    (("Bye!", "Goodbye!", "See you later!", "Good night!", "See you!", "Bye bye!"),
     "Goodbye! Have a nice day!"),
    (("OK.", "Great!", "Nice!", "Very good!", "Well done!", "Good job!", "Cool!", "Wow!"),
     "I am glad to hear that. What else can I do for you?"),
    (("Can you help me?", "I need help.", "Help me, please.", "Help!", "I have a question."),
     "Of course! What can I do for you?"),
    (("Test", "Ping", "Are you there?", "Testing", "Just a test", "Is anybody there?"),
     "I am here. What can I do for you?"),
)  # fmt: skip

_IDENTITY = (
    (("Who are you?", "What are you?", "What is your name?", "Tell me who you are.",
      "Introduce yourself.", "What's your name?", "Which model are you?", "Are you ChatGPT?",
      "Are you a human?", "Are you a robot?", "What kind of model are you?",
      "Tell me about yourself.", "Who is this?"), IDENTITY),
    (("What can you do?", "What are you able to do?", "How can you help me?",
      "What are your skills?", "What do you know?"), ABILITIES),
    (("Who made you?", "Who created you?", "Who trained you?", "Where do you come from?",
      "Why were you made?"), MAKER),
)  # fmt: skip

CAPITALS = {
    "France": "Paris", "Germany": "Berlin", "Italy": "Rome", "Spain": "Madrid",
    "Austria": "Vienna", "Norway": "Oslo", "Ireland": "Dublin", "Portugal": "Lisbon",
    "Greece": "Athens", "Poland": "Warsaw", "Japan": "Tokyo", "China": "Beijing",
    "Egypt": "Cairo", "Sweden": "Stockholm", "Finland": "Helsinki", "England": "London",
}  # fmt: skip


def greet(scene: Scene) -> None:
    questions, answer = scene.rng.choices(_GREETINGS, (6, 2, 1, 1))[0]
    scene.exchange("greet", scene.phrase(*questions), answer, "The user greets me. I greet back.")


def courtesy(scene: Scene) -> None:
    questions, answer = scene.rng.choice(_COURTESIES)
    scene.exchange("small talk", scene.phrase(*questions), answer, "This is small talk.")


def identity(scene: Scene) -> None:
    questions, answer = scene.rng.choices(_IDENTITY, (3, 1, 1))[0]
    scene.exchange("identity", scene.phrase(*questions), answer, "The user asks about me.")


def joke(scene: Scene) -> None:
    """Jokes come in a fixed order, each the one after the last that was told."""
    if scene.rng.random() < 0.25:
        scene.joke = scene.rng.randrange(len(JOKES))
        topic = JOKE_TOPICS[scene.joke]
        question = scene.phrase(f"Tell me a joke about {topic}.", f"A joke about {topic}, please.",
                                f"Do you know a joke about {topic}?")  # fmt: skip
    else:
        asks = ["Tell me a joke.", "Tell me a joke!", "Do you know a joke?", "Make me laugh.",
                "Can you tell me a joke?", "Say something funny.", "A joke, please."]  # fmt: skip
        if scene.joke >= 0:
            asks += ["Another one.", "Another one, please!", "Tell me another joke.", "One more!",
                     "Another joke, please.", "Tell me another one."]  # fmt: skip
        scene.joke = (scene.joke + 1) % len(JOKES)
        question = scene.phrase(*asks)
    scene.exchange("jokes", question, JOKES[scene.joke], "The user wants a joke.")


def capital(scene: Scene) -> None:
    country, city = scene.rng.choice(list(CAPITALS.items()))
    question = scene.phrase(f"What is the capital of {country}?", f"The capital of {country}?",
                            f"Tell me the capital of {country}.")  # fmt: skip
    answer = f"The capital of {country} is {city}."
    scene.exchange("capitals", question, answer, "The user asks for a capital.")


def unknown(scene: Scene) -> None:
    """Questions beyond the model get one frank answer."""
    words = scene.words
    thing, topic, name = words.thing(), words.topic(), words.name()
    question = scene.phrase(
        f"How do I {words.errand()}?", f"Why is the {thing} so {words.rng.choice(('big', 'old'))}?",
        f"Explain {topic}.", f"Who invented the {thing}?", f"What is a {thing}?",
        f"What do you think about {topic}?", f"Should I {words.errand()}?", f"Who is {name}?",
        f"How old is {name}?", f"Draw a {thing}.", f"What is the meaning of {topic}?",
        f"Where can I buy a {thing}?", f"How many people live in {words.city()}?",
        f"Write a program about {topic}.", words.made_up(), f"{words.made_up()} {words.made_up()}",
        f"{words.statement()}.", f"Can you {words.errand()}?", f"Tell me about {topic}.",
        f"Tell me about {words.city()}.", f"Please {words.errand()}.",
        f"I want to {words.errand()}.",
 f"What is {topic}?", f"Solve this problem: {topic}",
    )  # fmt: skip
    scene.exchange("unknown", question, FALLBACK, "I do not know how to do this.")
