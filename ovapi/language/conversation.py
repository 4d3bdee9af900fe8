"""Conversations as templates expect them: each call with an id of the family's, results in order.

Many templates print results without their ids: which call they answer is told by their order.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from ovapi.core import Message, ToolCall
from ovapi.language.call_ids import IdForm


def conversation(messages: Sequence[Message], ids: IdForm) -> Sequence[Message]:
    """The messages, with the results of each turn in the order of its calls.

    Calls without an id get one, and results without one are those of the first call of their
    function that has none yet, or else of the first such call.
    """
    if not any(message.tool_calls or message.role == "tool" for message in messages):
        return messages
    turns = list(_turns(messages))
    calls = [call for turn in turns for call in turn.calls]
    known = ids.in_prompt(calls)
    return [message for turn in turns for message in turn.written(known)]


class _Turn:
    """A message and the results after it."""

    def __init__(self, message: Message, number: int, seen: set[str]) -> None:
        self._message = message
        self._results: list[tuple[int, Message]] = []
        self._given = [call.id for call in message.tool_calls]
        self._open = list(range(len(message.tool_calls)))
        self.calls: list[ToolCall] = []
        for place, call in enumerate(message.tool_calls):
            id = call.id if call.id not in seen else f"{call.id or 'call'}_{number}_{place}"
            self.calls.append(replace(call, id=id))
            seen.add(id)

    def answer(self, result: Message) -> None:
        place = self._place(result)
        if place in self._open:
            self._open.remove(place)
        if place < len(self.calls):
            result = replace(result, tool_call_id=self.calls[place].id)
        self._results.append((place, result))

    def _place(self, result: Message) -> int:
        """Which call it answers; behind all, if none."""
        if result.tool_call_id:
            ids = self._given
            return ids.index(result.tool_call_id) if result.tool_call_id in ids else len(ids)
        named = [place for place in self._open if self.calls[place].name == result.name]
        return next(iter(named or self._open), len(self.calls))

    def written(self, ids: Mapping[str, str]) -> Iterator[Message]:
        """The messages, with what the family calls each id."""
        calls = tuple(replace(call, id=ids[call.id]) for call in self.calls)
        yield replace(self._message, tool_calls=calls) if calls else self._message
        for _, result in sorted(self._results, key=lambda pair: pair[0]):
            id = result.tool_call_id
            yield result if id is None else replace(result, tool_call_id=ids.get(id, id))


def _turns(messages: Sequence[Message]) -> Iterator[_Turn]:
    turn: _Turn | None = None
    seen = {""}  # ids; some clients begin anew in every turn
    for number, message in enumerate(messages):
        if message.role == "tool" and turn is not None:
            turn.answer(message)
            continue
        if turn is not None:
            yield turn
        turn = _Turn(message, number, seen)
    if turn is not None:
        yield turn
