"""CompiledTemplate: one Jinja template, ready to render within a budget."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from jinja2 import nodes

from ovapi.language.template.budget import RenderBudget, spending
from ovapi.language.template.sandbox import TemplateEnvironment
from ovapi.language.template.watched import Watched

_MAX_MARKERS = 256
_MARKER = re.compile(
    r"<[^<>\s]{1,64}>"  # <think>, </tool_call>, <|user|>, <start_of_turn>
    r"|<[\w:-]{1,32}=|<[\w:-]{1,32} name="  # <function=get_weather>, <invoke name="get_weather">
    r"|\[/?[A-Z_]{2,32}\]"  # [INST], [/TOOL_RESULTS]
)


class CompiledTemplate:
    """Raises jinja2.TemplateError, or RecursionError, for what is no template."""

    def __init__(self, source: str) -> None:
        environment = TemplateEnvironment()
        tree = environment.parse(source)
        self._constants = frozenset(_texts(tree))
        self.operands = frozenset(_operands(tree))
        self._template = environment.from_string(Watched().visit(tree))
        self._length = len(source)

    def render(self, variables: Mapping[str, Any], seconds: float) -> str:
        """Raises RenderLimit, Objection, and whatever else a template makes Python raise.

        `seconds` are of this thread's CPU time.
        """
        budget = RenderBudget(self._length, sum(map(len, strings(variables))), seconds)
        pieces: list[str] = []
        size = 0
        with spending(budget):
            for piece in self._template.generate(variables):
                size += len(piece)
                budget.check(size)
                pieces.append(piece)
        return "".join(pieces)

    @property
    def markers(self) -> frozenset[str]:
        """The tags that the template writes, or looks for, as they stand in it."""
        return markers_in(self._constants)


def markers_in(texts: Iterable[str]) -> frozenset[str]:
    found: set[str] = set()
    for text in texts:
        for match in _MARKER.finditer(text):
            found.add(match.group())
            if len(found) == _MAX_MARKERS:
                return frozenset(found)
    return frozenset(found)


def strings(value: Any) -> Iterator[str]:
    """Every string in nested dicts and lists, keys too."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for key, entry in value.items():
            yield from strings(key)
            yield from strings(entry)
    elif isinstance(value, list | tuple):
        for entry in value:
            yield from strings(entry)


def _texts(tree: nodes.Node) -> Iterator[str]:
    """All text that stands in `tree`, outside and inside of its code."""
    for constant in (tree, *tree.find_all(nodes.Const)):
        if isinstance(constant, nodes.Const) and isinstance(constant.value, str):
            yield constant.value
    for data in tree.find_all(nodes.TemplateData):
        yield data.data


def _operands(tree: nodes.Node) -> Iterator[str]:
    """Text that a template looks for: in comparisons and as arguments of methods and filters."""
    for compare in tree.find_all(nodes.Compare):
        yield from _texts(compare)
    for call in tree.find_all(nodes.Call):
        yield from (text for argument in call.args for text in _texts(argument))
    for use in (*tree.find_all(nodes.Filter), *tree.find_all(nodes.Test)):
        yield from (text for argument in use.args for text in _texts(argument))
