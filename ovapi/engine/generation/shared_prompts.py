"""SharedPrompts: the prompts that several requests in flight have in common.

The choices of one request are submitted one by one, and their prompt may be of megabytes: it
crosses the pipe once.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import replace

from ovapi.core import Prompt, TokenPrompt
from ovapi.engine.generation.in_flight_generation import InFlightGeneration
from ovapi.engine.generation.messages import ForgetPrompt, SharePrompt, Submit

_LEFT_OUT = TokenPrompt(())


class SharedPrompts:
    """Those of one child; prompts are told apart by what object they are."""

    def __init__(self, send: Callable[[object], None]) -> None:
        self._send = send
        self._numbers = itertools.count()
        self._known: dict[int, tuple[Prompt, int]] = {}  # by the prompt's id(); with its number
        self._users: dict[str, int] = {}  # the prompt's id() by the request's
        self._count: Counter[int] = Counter()

    def clear(self) -> None:
        """The child is gone."""
        self._known.clear()
        self._users.clear()
        self._count.clear()

    def submit(self, lives: Iterable[InFlightGeneration]) -> None:
        """Send them, and before them the prompts that two or more of them have."""
        lives = list(lives)
        count = Counter(id(live.request.prompt) for live in lives)
        for live in lives:
            prompt = live.request.prompt
            if count[id(prompt)] > 1 and id(prompt) not in self._known:
                number = next(self._numbers)
                self._known[id(prompt)] = prompt, number
                self._send(SharePrompt(number, prompt))
            self._send(self._command(live))

    def _command(self, live: InFlightGeneration) -> Submit:
        request, given = live.request, tuple(live.given)
        known = self._known.get(id(request.prompt))
        if known is None:
            return Submit(request, given)
        if request.id not in self._users:
            self._users[request.id] = id(request.prompt)
            self._count[id(request.prompt)] += 1
        return Submit(replace(request, prompt=_LEFT_OUT), given, known[1])

    def ended(self, request_id: str) -> None:
        """A request is no more in flight; its prompt goes with the last that has it."""
        key = self._users.pop(request_id, None)
        if key is None:
            return
        self._count[key] -= 1
        if not self._count[key]:
            del self._count[key]
            self._send(ForgetPrompt(self._known.pop(key)[1]))
