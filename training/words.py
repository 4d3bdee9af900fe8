"""Pools of words, each split into a part for training and a part held out for evaluation."""

from __future__ import annotations

import hashlib
from random import Random


def _pool(text: str, separator: str | None = None) -> list[str]:
    return text.split(separator)


NAMES = _pool("""
Anna Ben Clara David Emma Felix Grace Henry Ivy Jack Kate Leo Maria Noah Olivia Peter Quinn Rosa
Sam Tina Umar Vera Walter Xenia Yusuf Zoe Adam Bella Carlos Diana Erik Fatima George Hannah Igor
Julia Karl Laura Martin Nina Oscar Paula Ralf Sofia Thomas Ursula Victor Wendy Ahmed Bianca Chloe
Dmitri Elena Frank Greta Hugo Ines Jonas Kenji Lena Mateo Nadia Omar Priya Rahul Sarah Tom Uma
Viktor William Yuki Zara Alice Bob Charlie Daniel Eva Fiona Gustav Helen Isabel James Kevin Linda
Michael Nora Otto Patrick Rachel Simon Teresa Ulrich Valeria Wei Amir Bruno Cecilia Dora Emil
Freya Giulia Hans Ida Jan Klaus Lucas Mia Nils Olga Pablo Rita Stefan Tara Max John Mary Robert
Susan Paul Mark Lisa Steven Karen Brian Betty Edward Donna Ronald Ruth Alex Sasha Robin Marco
Chiara Liam Ethan Ava Aiko Hiro Mei Ling Chen Ravi Anil Leila Samir José Zoë André Jürgen Renée
Søren Łukasz Ada Grete Lin Björn
""")

CITIES = _pool("""
Paris London Berlin Rome Madrid Vienna Oslo Prague Dublin Lisbon Athens Warsaw Budapest Helsinki
Stockholm Copenhagen Brussels Amsterdam Zurich Geneva Munich Hamburg Milan Naples Venice Barcelona
Seville Porto Lyon Marseille Nice Toulouse Tokyo Osaka Kyoto Seoul Beijing Shanghai Delhi Mumbai
Chennai Dhaka Karachi Tehran Baghdad Cairo Nairobi Lagos Accra Tunis Casablanca Sydney Melbourne
Perth Auckland Toronto Montreal Vancouver Ottawa Chicago Boston Seattle Denver Dallas Houston
Miami Atlanta Phoenix Portland Detroit Lima Quito Bogota Santiago Havana Caracas Manila Jakarta
Bangkok Hanoi Singapore Dubai Doha Riyadh Istanbul Ankara Izmir Kyiv Minsk Riga Vilnius Tallinn
Sofia Belgrade Zagreb Krakow Gdansk Bergen Turin Florence Bologna Valencia Malaga Bristol Leeds
Glasgow Cardiff Belfast Oxford Cambridge Austin Nashville Memphis Orlando Tampa München Zürich
Köln Málaga Bogotá Łódź Århus Orléans
""")

THINGS = _pool("""
cat dog bird fish horse cow sheep lion tiger bear wolf fox rabbit mouse elephant monkey snake frog
turtle whale dolphin shark eagle owl duck goose tree flower forest river lake ocean mountain
desert island beach cloud storm sun moon star planet rocket car train bus bicycle boat ship plane
house castle bridge road garden school library museum hospital market kitchen window door table
chair lamp clock mirror bed book letter pencil paper camera phone computer robot radio guitar
piano violin drum song dance painting movie apple banana orange lemon cherry grape peach bread
butter cheese soup salad pizza cake cookie chocolate coffee tea milk water juice hat coat shoe
shirt scarf ring watch bag key coin ball kite doll puzzle game king queen doctor teacher farmer
baker pilot sailor painter dragon wizard giant ghost summer winter spring autumn rain snow wind
fire stone sand glass gold silver dream idea friend family village city country world
""")

CITY_PREFIXES = _pool("New San Los Port Saint Santa Fort North Upper Old")

COLORS = _pool("""
red blue green yellow orange purple pink brown black white gray turquoise violet crimson beige
indigo teal maroon golden silver olive cyan
""")

COUNTRIES = _pool("""
France Germany Italy Spain Austria Norway Ireland Portugal Greece Poland Hungary Finland Sweden
Denmark Belgium Switzerland Japan China India Egypt Kenya Peru Chile Cuba Canada Brazil Mexico
Turkey Iran Iraq Vietnam Thailand Australia Argentina Morocco Latvia Croatia
""")

FOODS = _pool("""
pasta rice sushi curry tacos soup pizza salad bread cheese apples noodles pancakes beans fish
dumplings lasagna olives waffles tofu
""")

JOBS = _pool("""
teacher doctor baker nurse pilot farmer engineer lawyer painter writer singer dancer cook driver
plumber gardener actor dentist chemist judge
""")

TOPICS = _pool("""
history music weather football physics gardening cooking travel chess poetry dinosaurs volcanoes
satellites medicine painting robots gravity oceans bridges insects economics theatre castles
trains mathematics photography swimming recipes galaxies mountains
""")

ADJECTIVES = _pool("""
big small old new good best cheap fast slow quiet happy early late red blue green hot cold easy
hard long short fresh local modern ancient famous
""")

VERBS = _pool("""
buy read find call bring write clean open close paint fix send cook start finish wash visit check
move sell
""")

SENTENCE_PARTS = _pool(
    "see you tomorrow|I will be late|happy birthday|please call me back|dinner is ready|"
    "the meeting is at noon|thank you for the help|good luck|I am on my way|we need milk|"
    "the train is late|lunch is at one|do not forget the keys|let us meet at the station|"
    "the door is open|I like the new book|have a nice day|the parcel is here|"
    "come home soon|water the plants|the report is done|where are you|bring some bread|"
    "I miss you|the dog is in the garden|we won the game|it starts at seven|"
    "the shop is closed today",
    "|",
)

_ONSETS = _pool("b c d f g h j k l m n p r s t v w z br ch cl dr fl gr kr pl sh st th tr")
_VOWELS = _pool("a e i o u a e i o ai ea io oo ou")
_CODAS = ("", "", "", *_pool("n r s l t m k d x nd rt sk ng"))


def held_out(word: str) -> bool:
    """True for the fifth of all words that training never shows as a value."""
    return hashlib.sha256(word.lower().encode()).digest()[0] % 5 == 0


class Words:
    """Draws words from one side of the split; made-up words fall on one side like all others."""

    def __init__(self, rng: Random, evaluation: bool = False) -> None:
        self.rng = rng
        self.evaluation = evaluation
        self._pools: dict[int, list[str]] = {}

    def pick(self, pool: list[str]) -> str:
        """One word of the pool, from this side of the split."""
        side = self._pools.get(id(pool))
        if side is None:
            side = [word for word in pool if held_out(word) == self.evaluation]
            self._pools[id(pool)] = side
        return self.rng.choice(side)

    def made_up(self) -> str:
        """A pronounceable word that does not exist, in lower case."""
        while True:
            word = "".join(self._syllable() for _ in range(self.rng.randint(2, 3)))
            if held_out(word) == self.evaluation:
                return word

    def _syllable(self) -> str:
        choice = self.rng.choice
        return choice(_ONSETS) + choice(_VOWELS) + choice(_CODAS)

    def name(self) -> str:
        """A first name, sometimes with a surname, sometimes in lower case."""
        name = self.pick(NAMES) if self.rng.random() < 0.5 else self.made_up().capitalize()
        roll = self.rng.random()
        if roll < 0.06:
            return f"{name} {self.made_up().capitalize()}"
        return name.lower() if roll < 0.1 else name

    def city(self) -> str:
        """A city of one word, sometimes of two, sometimes in lower case."""
        city = self.pick(CITIES) if self.rng.random() < 0.5 else self.made_up().capitalize()
        roll = self.rng.random()
        if roll < 0.08:
            return f"{self.rng.choice(CITY_PREFIXES)} {city}"
        return city.lower() if roll < 0.12 else city

    def thing(self) -> str:
        return self.pick(THINGS) if self.rng.random() < 0.7 else self.made_up()

    def color(self) -> str:
        return self.pick(COLORS) if self.rng.random() < 0.8 else self.made_up()

    def country(self) -> str:
        return self.pick(COUNTRIES) if self.rng.random() < 0.6 else self.made_up().capitalize()

    def food(self) -> str:
        return self.pick(FOODS) if self.rng.random() < 0.7 else self.made_up()

    def job(self) -> str:
        return self.pick(JOBS) if self.rng.random() < 0.7 else self.made_up()

    def topic(self) -> str:
        """One to three words to search for."""
        words = [self.pick(TOPICS) if self.rng.random() < 0.6 else self.made_up()]
        if self.rng.random() < 0.5:
            words.insert(0, self.rng.choice(ADJECTIVES))
        if self.rng.random() < 0.3:
            words += ["in", self.city()]
        return " ".join(words)

    def errand(self) -> str:
        return f"{self.rng.choice(VERBS)} the {self.thing()}"

    def sentence(self) -> str:
        """A short message as somebody would send it, without a final stop."""
        roll = self.rng.random()
        if roll < 0.5:
            return self.pick(SENTENCE_PARTS)
        if roll < 0.8:
            return f"{self.errand()} and {self.errand()}"
        return f"meet {self.name()} in {self.city()}"

    def statement(self) -> str:
        """A sentence with a capital at its start, without its stop."""
        text = self.sentence()
        return text[0].upper() + text[1:]

    def code(self, low: int = 3, high: int = 10) -> str:
        """A string without meaning: letters, digits or both."""
        letters = self.rng.choice(
            ["abcdefghijklmnopqrstuvwxyz", "ABCDEFGHJKLMNPQRSTUVWXYZ0123456789", "0123456789",
             "abcdefghijkmnopqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789"]
        )  # fmt: skip
        while True:
            text = "".join(self.rng.choices(letters, k=self.rng.randint(low, high)))
            if held_out(text) == self.evaluation:
                return text
