"""Conversations with calls as templates get them: ids, and the order of results."""

from __future__ import annotations

import re

from ovapi.core import Message, ToolCall
from ovapi.language.call_ids import IdForm
from ovapi.language.conversation import conversation

ASKED = Message("user", "Weather?")
CALLED = Message(
    "assistant", "", tool_calls=(ToolCall("a-1", "f", "{}"), ToolCall("b-2", "g", "{}"))
)


def result(text: str, id: str | None = None, name: str | None = None) -> Message:
    return Message("tool", text, name=name, tool_call_id=id)


def test_without_calls_nothing_changes() -> None:
    turns = (ASKED, Message("assistant", "Fine."))
    assert conversation(turns, IdForm.NINE) is turns


def test_results_come_in_the_order_of_their_calls() -> None:
    given = (ASKED, CALLED, result("two", "b-2"), result("one", "a-1"), ASKED)
    expected = [ASKED, CALLED, result("one", "a-1"), result("two", "b-2"), ASKED]
    assert conversation(given, IdForm.ANY) == expected


def test_a_result_of_no_call_comes_last() -> None:
    given = (CALLED, result("other", "x"), result("one", "a-1"))
    texts = [message.content for message in conversation(given, IdForm.NINE)]
    assert texts == ["", "one", "other"]


def test_calls_and_results_without_ids_find_each_other() -> None:
    calls = (ToolCall("", "f", "{}"), ToolCall("", "g", "{}"), ToolCall("", "f", "{}"))
    given = (
        Message("assistant", "", tool_calls=calls),
        result("second f", name="g"),
        result("first f", name="f"),
        result("by order"),
    )
    called, *results = conversation(given, IdForm.ANY)
    assert len({call.id for call in called.tool_calls}) == 3
    assert [one.tool_call_id for one in results] == [call.id for call in called.tool_calls]
    assert [one.content for one in results] == ["first f", "second f", "by order"]


def test_ids_are_the_familys() -> None:
    called, answered = conversation((CALLED, result("two", "b-2")), IdForm.NINE)
    assert all(re.fullmatch("[A-Za-z0-9]{9}", call.id) for call in called.tool_calls)
    assert answered.tool_call_id == called.tool_calls[1].id
    called, answered = conversation((CALLED, result("two", "b-2")), IdForm.NUMBERED)
    assert [call.id for call in called.tool_calls] == ["functions.f:0", "functions.g:1"]
    assert answered.tool_call_id == "functions.g:1"


def test_an_id_may_come_again_in_a_later_turn() -> None:
    again = Message("assistant", "", tool_calls=(ToolCall("a-1", "h", "{}"),))
    turns = (CALLED, result("one", "a-1"), again, result("three", "a-1"))
    first, one, second, three = conversation(turns, IdForm.NUMBERED)
    assert first.tool_calls[0].id == one.tool_call_id == "functions.f:0"
    assert second.tool_calls[0].id == three.tool_call_id == "functions.h:2"
