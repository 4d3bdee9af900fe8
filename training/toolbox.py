"""Tools as clients declare them: known kinds under many names, and tools made up on the spot."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Any

from training.words import Words

Value = str | int | float | bool


@dataclass(frozen=True)
class Slot:
    """One parameter: its possible names, its JSON type, and how a value is drawn."""

    names: tuple[str, ...]
    draw: Callable[[Words], Value]
    type: str = "string"


@dataclass(frozen=True)
class Skill:
    """A kind of tool. Requests, lead and results hold `{0}`, `{1}` for the values of its slots."""

    key: str
    names: tuple[str, ...]
    descriptions: tuple[str, ...]
    slots: tuple[Slot, ...]
    requests: tuple[str, ...]
    lead: str
    result: Callable[[Words], Any]
    pair: tuple[str, ...] = ()


@dataclass(frozen=True)
class Tool:
    """A skill under one name, with one name for each parameter."""

    skill: Skill
    name: str
    parameters: tuple[str, ...]
    description: str
    extra: str = ""

    def openai(self) -> dict[str, Any]:
        """The declaration, as in a request's `tools`."""
        pairs = zip(self.parameters, self.skill.slots, strict=True)
        properties = {name: {"type": slot.type} for name, slot in pairs}
        if self.extra:
            properties[self.extra] = {"type": "string"}
        parameters = {"type": "object", "properties": properties,
                      "required": list(self.parameters)}  # fmt: skip
        function = {"name": self.name, "description": self.description, "parameters": parameters}
        return {"type": "function", "function": function}


def _number(low: int, high: int) -> Callable[[Words], int]:
    return lambda words: words.rng.randint(low, high)


def _one_of(*choices: Value) -> Callable[[Words], Value]:
    return lambda words: words.rng.choice(choices)


LANGUAGES = ("French", "German", "Spanish", "Italian", "Chinese", "Arabic", "Japanese", "Dutch")
SKIES = ("sunny", "cloudy", "rainy", "windy", "foggy", "snowy", "clear", "stormy")

_CITY = Slot(("city", "location", "place", "town"), Words.city)
_TEXT = Slot(("text", "message", "content", "body"), Words.sentence)
_PERSON = Slot(("to", "recipient", "name", "person"), Words.name)


def _expression(words: Words) -> str:
    numbers = [str(words.rng.randint(1, 99)) for _ in range(words.rng.randint(2, 3))]
    return words.rng.choice((" + ", " * ", " - ", " / ", "*", "+")).join(numbers)


def _weather(words: Words) -> Any:
    degrees, sky = words.rng.randint(-9, 39), words.rng.choice(SKIES)
    return words.rng.choice((
        {"temperature": degrees, "condition": sky}, f"{sky}, {degrees} degrees", {"weather": sky},
        f"{degrees}°C", f"It is {sky}", {"temp": degrees, "sky": sky}, {"temperature": degrees},
    ))  # fmt: skip


def _clock(words: Words) -> Any:
    time = f"{words.rng.randint(0, 23):02}:{words.rng.randint(0, 59):02}"
    return words.rng.choice((time, {"time": time}))


def _done(words: Words) -> Any:
    return words.rng.choice(("ok", {"status": "ok"}, "done", {"status": "done"}, "sent",
                             {"id": words.code(3, 6)}, {"ok": True}))  # fmt: skip


def _amount(words: Words) -> Any:
    value = words.rng.randint(1, 999)
    return words.rng.choice((str(value), {"result": value}, {"value": value}))


def _found(words: Words) -> Any:
    return words.rng.choice((f"{words.topic()}: {words.errand()}", {"title": words.topic()},
                             {"result": words.sentence()}, words.sentence()))  # fmt: skip


SKILLS = (
    Skill("weather", ("get_weather", "weather", "get_current_weather", "weather_forecast",
                      "getWeather", "current_weather"),
          ("Get the weather in a city", "Get the current weather", "Weather for a place",
           "Returns the weather of a location", "Get current temperature for a given location."),
          (_CITY,),
          ("what is the weather in {0}", "how is the weather in {0}", "what's the weather like in "
           "{0}", "tell me the weather in {0}", "is it raining in {0}", "how warm is it in {0}",
           "weather in {0}", "what is the weather like in {0} today",
           "what's the weather in {0} right now", "what will the weather be in {0} tomorrow"),
          "The weather in {0}: ", _weather,
          ("what is the weather in {0} and in {1}", "what's the weather like in {0} and {1}",
           "what is the weather in {0} and {1}",
           "compare the weather in {0} and {1}", "how is the weather in {0} and in {1}")),
    Skill("time", ("get_time", "current_time", "get_current_time", "clock", "world_clock"),
          ("Get the time in a city", "Current time in a place", "Returns the local time"),
          (_CITY,),
          ("what time is it in {0}", "tell me the time in {0}", "what is the time in {0}",
           "current time in {0}"),
          "The time in {0}: ", _clock,
          ("what time is it in {0} and in {1}", "tell me the time in {0} and {1}")),
    Skill("search", ("search", "web_search", "search_web", "google", "lookup"),
          ("Search the web", "Search for information", "Look something up", "Finds web pages"),
          (Slot(("query", "q", "topic", "text"), Words.topic),),
          ("search for {0}", "look up {0}", "search the web for {0}", "find information about {0}"),
          "I found: ", _found, ("search for {0} and for {1}", "look up {0} and {1}")),
    Skill("add", ("add", "add_numbers", "sum", "calculate_sum", "plus"),
          ("Add two numbers", "Returns the sum of two numbers", "Adds numbers"),
          (Slot(("a", "x", "first"), _number(0, 999), "integer"),
           Slot(("b", "y", "second"), _number(0, 999), "number")),
          ("add {0} and {1}", "what is {0} + {1}", "what is {0} plus {1}", "sum {0} and {1}"),
          "The sum is ", _amount),
    Skill("calculate", ("calculator", "calculate", "evaluate", "math"),
          ("Calculate an expression", "Evaluates a mathematical expression", "A calculator"),
          (Slot(("expression", "formula", "input", "expr"), _expression),),
          ("calculate {0}", "what is {0}", "how much is {0}", "compute {0}"),
          "{0} is ", _amount, ("calculate {0} and {1}", "what is {0} and what is {1}")),
    Skill("order", ("get_delivery_date", "track_order", "order_status", "get_order"),
          ("Get the delivery date of an order", "Status of a customer's order"),
          (Slot(("order_id", "id", "order", "number"), Words.code),),
          ("when does my order {0} arrive", "where is my order {0}", "track order {0}",
           "what is the status of order {0}", "when will order {0} be delivered"),
          "Your order {0}: ", _done),
    Skill("multiply", ("multiply", "times", "product", "multiply_numbers"),
          ("Multiply two numbers", "Returns the product of two numbers"),
          (Slot(("a", "x", "first"), _number(0, 99), "integer"),
           Slot(("b", "y", "second"), _number(0, 99), "integer")),
          ("multiply {0} by {1}", "what is {0} times {1}", "what is {0} * {1}"),
          "The product is ", _amount),
    Skill("message", ("send_message", "message", "send_sms", "text_person", "send_email"),
          ("Send a message to a person", "Sends a text message", "Send someone a message"),
          (_PERSON, _TEXT),
          ("send a message to {0}: {1}", "send {0} the message: {1}", "write to {0}: {1}",
           'send {0} the text "{1}"', "tell {0}: {1}"),
          "Sent to {0}: ", _done),
    Skill("timer", ("set_timer", "timer", "start_timer", "create_timer"),
          ("Set a timer", "Start a timer for some minutes", "Starts a countdown"),
          (Slot(("minutes", "duration", "time"), _number(1, 90), "integer"),),
          ("set a timer for {0} minutes", "start a timer for {0} minutes", "timer for {0} minutes",
           "set a {0} minute timer"),
          "The timer is set: ", _done, ("set timers for {0} and {1} minutes",)),
    Skill("translate", ("translate", "translate_text", "translator", "get_translation"),
          ("Translate a text", "Translates text to a language"),
          (_TEXT, Slot(("language", "target", "to", "target_language"), _one_of(*LANGUAGES))),
          ('translate "{0}" to {1}', 'translate "{0}" into {1}', "translate to {1}: {0}"),
          "The translation: ", _found),
    Skill("music", ("play_music", "play", "play_song", "music_player"),
          ("Play a song", "Plays music", "Play music by an artist"),
          (Slot(("song", "title", "artist", "track"), lambda words: words.errand()),),
          ("play the song {0}", "play {0}", 'play "{0}"', "play music: {0}"),
          "Now playing: ", _done),
    Skill("reminder", ("remind", "create_reminder", "set_reminder", "add_task", "add_todo"),
          ("Create a reminder", "Adds a task to the list", "Remind the user of something"),
          (Slot(("task", "text", "title", "what"), Words.errand),),
          ("remind me to {0}", "add a task: {0}", "create a reminder to {0}"),
          "I will remind you: ", _done, ("remind me to {0} and to {1}",)),
    Skill("stock", ("get_stock_price", "stock_price", "get_quote", "stock"),
          ("Get the price of a stock", "Current stock price"),
          (Slot(("symbol", "ticker", "stock"), lambda words: words.code(3, 5).upper()),),
          ("what is the stock price of {0}", "price of {0} stock", "how much is a share of {0}"),
          "The price of {0}: ", _amount,
          ("what are the stock prices of {0} and {1}",)),
    Skill("lights", ("set_light", "light_switch", "set_lights", "lights"),
          ("Set the color of the light in a room", "Controls the lights"),
          (Slot(("room", "place"), _one_of("kitchen", "bedroom", "office", "hall", "garage")),
           Slot(("color", "colour"), Words.color)),
          ("make the light in the {0} {1}", "set the {0} light to {1}",
           "turn the {0} lights {1}"),
          "The light is set: ", _done),
    Skill("ticket", ("book_ticket", "book_flight", "book_train", "buy_ticket"),
          ("Book a ticket from one city to another", "Books a trip"),
          (Slot(("origin", "from", "start"), Words.city),
           Slot(("destination", "to", "end"), Words.city)),
          ("book a ticket from {0} to {1}", "I want to go from {0} to {1}",
           "book a trip from {0} to {1}"),
          "Your ticket: ", _done),
    Skill("random", ("random_number", "roll_dice", "get_random", "dice"),
          ("Get a random number", "Rolls a die"), (),
          ("give me a random number", "roll the dice", "roll a die"),
          "The number is ", _amount),
)  # fmt: skip

_MADE_UP_NAMES = ("size", "color", "id", "level", "mode", "target", "user", "count", "path", "name",
                  "value", "title", "key", "date", "speed", "item", "price", "code")  # fmt: skip
_MADE_UP_VALUES = (
    (Words.made_up, "string"), (Words.code, "string"), (Words.thing, "string"),
    (Words.name, "string"), (_number(0, 999), "integer"), (_one_of(True, False), "boolean"),
    (Words.city, "string"), (_number(0, 20), "number"),
)  # fmt: skip


def _made_up_slots(words: Words, count: int) -> tuple[Slot, ...]:
    names = words.rng.sample(_MADE_UP_NAMES, count)
    if count and words.rng.random() < 0.3:
        names[0] = words.made_up()
    values = words.rng.choices(_MADE_UP_VALUES, k=count)
    return tuple(
        Slot((name,), draw, kind) for name, (draw, kind) in zip(names, values, strict=True)
    )


def _made_up_requests(name: str, slots: tuple[Slot, ...]) -> tuple[str, ...]:
    spoken = [f"{slot.names[0]} {{{i}}}" for i, slot in enumerate(slots)]
    written = [f"{slot.names[0]}={{{i}}}" for i, slot in enumerate(slots)]
    if not slots:
        return f"use {name}", f"call {name}", f"run {name}"
    return (f"use {name} with {' and '.join(spoken)}", f"call {name} with {', '.join(written)}",
            f"run {name} with {', '.join(spoken)}")  # fmt: skip


def made_up(words: Words) -> Skill:
    """A tool that no training dialogue knows, asked for by its name."""
    verb = words.rng.choice(("get", "set", "open", "check", "find", "make", "update"))
    noun = words.thing() if words.rng.random() < 0.5 else words.made_up()
    name = words.rng.choice((f"{verb}_{noun}", f"{verb}_{noun}", noun))
    slots = _made_up_slots(words, words.rng.choices((0, 1, 2, 3), (1, 5, 5, 2))[0])
    descriptions = (f"{verb.capitalize()} the {noun}", f"Runs {name}", "A tool")
    return Skill(name, (name,), descriptions, slots, _made_up_requests(name, slots),
                 "The result: ", _found)  # fmt: skip


def declare(rng: Random, skill: Skill) -> Tool:
    """Choose the names under which this client offers the skill."""
    parameters: list[str] = []
    for slot in skill.slots:
        parameters.append(rng.choice([n for n in slot.names if n not in parameters]))
    extra = ""
    if rng.random() < 0.15:
        free = [n for n in ("unit", "units", "format", "lang", "note") if n not in parameters]
        extra = rng.choice(free)
    return Tool(skill, rng.choice(skill.names), tuple(parameters), rng.choice(skill.descriptions),
                extra)  # fmt: skip


ARITHMETIC = {"add", "multiply", "calculate"}


def choose(rng: Random, words: Words) -> list[Tool]:
    """One to four tools with different names."""
    count = rng.choices((1, 2, 3, 4), (30, 35, 25, 10))[0]
    known = list(rng.sample(SKILLS, count))
    for rival in [skill for skill in known if skill.key in ARITHMETIC][1:]:
        known.remove(rival)
    skills = [made_up(words) if rng.random() < 0.3 else skill for skill in known]
    tools = [declare(rng, skill) for skill in skills]
    return list({tool.name: tool for tool in tools}.values())
