"""The filters and tests of chat templates: Jinja's own within the budget, and those of tokenizers.

Left out are those that make web pages, and `random`: no model's prompt needs them.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence, Sized
from functools import wraps
from typing import Any

from jinja2 import pass_environment
from jinja2.filters import (
    FILTERS,
    do_batch,
    do_format,
    do_indent,
    do_int,
    make_attrgetter,
    sync_do_slice,
)
from jinja2.tests import TESTS

from ovapi.language.template.budget import MAX_ITEMS, RenderLimit, budget, items_of
from ovapi.language.template.methods import (
    check_operation,
    check_percent,
    check_small,
    concatenated,
    joinable,
    made,
    replaced_size,
    stripped_size,
)

_LEFT_OUT = {"pprint", "random", "striptags", "urlize", "wordcount", "wordwrap", "xmlattr"}
_SHALLOW = {
    "attr", "count", "d", "default", "first", "items", "last", "length", "list", "map", "reject",
    "rejectattr", "safe", "select", "selectattr",
}  # fmt: skip
"""Filters that do not look into the entries of what they get."""
_LAZY = {"map", "reject", "rejectattr", "select", "selectattr"}
_LISTING = {"groupby", "max", "min", "sort", "sum", "title", "unique", "urlencode"}
"""Filters that list all entries of what they get, and most of them an attribute of each."""
_MAX_PARTS = 2**8
"""Parts of the name of an attribute."""
_WIDTHS = {"batch", "center", "indent", "int", "round", "slice", "tojson", "truncate"}
"""Filters whose further arguments are widths or counts."""
_DEEP_TESTS = {
    "!=", "<", "<=", "==", ">", ">=", "divisibleby", "eq", "equalto", "ge", "greaterthan", "gt",
    "in", "le", "lessthan", "lower", "lt", "ne", "upper", "even", "odd",
}  # fmt: skip
_PLAIN = {str, int, float, bool, type(None), list, tuple, dict}
_MAX_DIGITS = 4300
_MAX_SEPARATOR = 16


def filters() -> dict[str, Callable[..., Any]]:
    """By their names in templates."""
    own = {**FILTERS, **_OWN}
    kept = {name: function for name, function in own.items() if name not in _LEFT_OUT}
    return {
        **{name: _bounded_filter(name, function) for name, function in kept.items()},
        **_OPERANDS,
    }


def tests() -> dict[str, Callable[..., Any]]:
    known: dict[str, Any] = TESTS
    return {name: _bounded_test(name, function) for name, function in known.items()}


def _bounded_filter(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    first = _first_argument(function)
    check = _check_of(name)
    deep = name not in _SHALLOW
    lazy = name in _LAZY

    @wraps(function)
    def bounded(*args: Any, **named: Any) -> Any:
        budget().turn()
        values = [_countable(value, deep) for value in args[first:]]
        _measure((*values[0 if deep else 1 :], *named.values()))
        if check is not None and values:
            check(values[0], (*values[1:], *named.values()))
        if lazy and values and values[0]:
            values[0] = looped(values[0])
        return made(function(*args[:first], *values, **named))

    return bounded


def _check_of(name: str) -> Callable[[Any, Sequence[Any]], None] | None:
    """What else has to be checked before that filter, by its value and further arguments."""
    if name in _WIDTHS:
        return lambda value, more: check_small(more)
    if name in _LISTING:
        return _check_listing
    return _check_names if name in _LAZY else None


def _check_listing(value: Any, more: Iterable[Any]) -> None:
    """That there are not too many entries to look up that many attributes of each."""
    size = len(value) if isinstance(value, Sized) else 1
    names = sum(len(name) for name in more if isinstance(name, str))
    if size * max(1, names) > MAX_ITEMS:
        raise RenderLimit("size")


def _check_names(value: Any, more: Iterable[Any]) -> None:
    """That what is called for each entry has no name of many parts; compared texts may be long."""
    if any(isinstance(name, str) and name.count(".") > _MAX_PARTS for name in more):
        raise RenderLimit("size")


def _bounded_test(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    if name not in _DEEP_TESTS:
        return function
    first = _first_argument(function)

    @wraps(function)
    def bounded(*args: Any, **named: Any) -> Any:
        values = [_countable(value, True) for value in args[first:]]
        _measure((*values, *named.values()))
        return function(*args[:first], *values, **named)

    return bounded


def _first_argument(function: Callable[..., Any]) -> int:
    """Where the template's own arguments begin: some functions get the environment before them."""
    return 1 if hasattr(function, "jinja_pass_arg") else 0


def _measure(values: Iterable[Any]) -> None:
    for value in values:
        budget().measure(value)


def _countable(value: Any, deep: bool) -> Any:
    """What can be run through has to have an end; deep down a generator hides what it holds."""
    if deep and type(value) not in _PLAIN and isinstance(value, Iterator):
        return items_of(value)
    return value


# --- filters of our own ---


def _tojson(
    value: Any,
    ensure_ascii: bool = False,
    indent: int | str | None = None,
    separators: tuple[str, str] | None = None,
    sort_keys: bool = False,
) -> str:
    """As transformers has it: without Jinja's HTML escapes."""
    one = budget()
    size = one.measure(value)
    if indent is not None:
        one.check(size * max(1, len(indent) if isinstance(indent, str) else indent))
    if separators is not None:
        one.check(size * max(1, sum(map(len, separators)) // _MAX_SEPARATOR))
    return json.dumps(
        value,
        ensure_ascii=ensure_ascii,
        indent=indent,
        separators=separators,
        sort_keys=sort_keys,
    )


def _from_json(text: str) -> Any:
    if sum(map(text.count, "[{,")) > MAX_ITEMS:
        raise RenderLimit("size")
    return json.loads(text)


@pass_environment
def _join(
    environment: Any, value: Iterable[Any], d: str = "", attribute: str | int | None = None
) -> str:
    if attribute is not None:
        value = items_of(value)
        _check_listing(value, (attribute,))
        value = map(make_attrgetter(environment, attribute), value)
    return concatenated(_separated(str(d), joinable(str(d), value)))


def _separated(separator: str, parts: Sequence[Any]) -> list[str]:
    texts = [separator] * max(0, 2 * len(parts) - 1)
    texts[::2] = map(str, parts)
    return texts


@pass_environment
def _sum(environment: Any, iterable: Iterable[Any], attribute: Any = None, start: Any = 0) -> Any:
    """By the operator that the sandbox watches."""
    if attribute is not None:
        iterable = map(make_attrgetter(environment, attribute), iterable)
    for value in iterable:
        check_operation("+", start, value)
        start = start + value
    return start


def _replace(value: Any, old: Any, new: Any, count: int | None = None) -> str:
    text, old, new = str(value), str(old), str(new)
    budget().check(replaced_size(text, old, new, -1 if count is None else count))
    return text.replace(old, new, -1 if count is None else count)


def _indent(value: Any, width: int | str = 4, first: bool = False, blank: bool = False) -> str:
    text = str(value)
    lines = text.count("\n") + 2
    budget().check(len(text) + lines * (len(width) if isinstance(width, str) else width))
    return do_indent(text, width, first, blank)


def _format(value: Any, *args: Any, **named: Any) -> str:
    check_percent(str(value), named or args)
    return do_format(str(value), *args, **named)


def _trim(value: Any, chars: str | None = None) -> str:
    stripped_size(str(value), chars)
    return str(value).strip(chars)


def _int(value: Any, default: int = 0, base: int = 10) -> int:
    if isinstance(value, str) and len(value) > _MAX_DIGITS:
        return default
    return do_int(value, default, base)


def _list(value: Iterable[Any]) -> list[Any]:
    return items_of(value)


def _batch(value: Iterable[Any], linecount: int, fill_with: Any = None) -> list[Any]:
    return items_of(do_batch(items_of(value), linecount, fill_with))


def _slice(value: Iterable[Any], slices: int, fill_with: Any = None) -> list[Any]:
    return items_of(sync_do_slice(items_of(value), slices, fill_with))


_OWN: dict[str, Callable[..., Any]] = {
    "batch": _batch,
    "format": _format,
    "from_json": _from_json,
    "indent": _indent,
    "int": _int,
    "join": _join,
    "list": _list,
    "replace": _replace,
    "slice": _slice,
    "sum": _sum,
    "tojson": _tojson,
    "trim": _trim,
}


# --- what the sandbox puts around operands ---

COMPARED = "_compared"
JOINED = "_joined"
LOOPED = "_looped"
MADE = "_made"


def _compared(value: Any) -> Any:
    """An operand of a comparison, or a key: comparing may take as long as all that is in it."""
    value = _countable(value, True)
    budget().measure(value)
    return value


def _joined(values: Iterable[Any]) -> str:
    """``a ~ b ~ c``"""
    items = list(values)
    _measure(items)
    return concatenated([str(value) for value in items])


def looped(values: Iterable[Any]) -> Iterator[Any]:
    """What a loop runs through: every turn is paid for."""
    one = budget()
    for value in values:
        one.turn()
        yield value


_OPERANDS = {COMPARED: _compared, JOINED: _joined, LOOPED: looped, MADE: made}
