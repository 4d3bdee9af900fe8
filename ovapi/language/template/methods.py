"""The methods that a chat template may call on text and lists, and what each may cost.

Whatever is not listed is refused. Most take time and space as long as the text itself; those that
can make much out of little say how much before they do it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sized
from typing import Any

from ovapi.language.template.budget import MAX_ITEMS, RenderBudget, RenderLimit, budget, items_of

_MAX_WIDTH = 2**16
_MAX_BITS = 2**12
_MAX_STRIPPED = 2**8
_MAX_SEARCH = 2**30
_PIECE = 16
"""Characters that one more entry of a list of texts counts as."""
_NUMBER = re.compile(r"\d+")
_DIRECTIVE = re.compile(r"[#0\- +]*(\d*)(?:\.(\d*))?")
_LINE_ENDS = "\n\r\v\f\x1c\x1d\x1e\x85\u2028\u2029"

_PREDICATES = {
    "isalnum", "isalpha", "isascii", "isdecimal", "isdigit", "islower", "isnumeric", "isspace",
    "istitle", "isupper", "startswith", "endswith", "isidentifier", "isprintable",
}  # fmt: skip
_LINEAR = {
    "capitalize", "casefold", "lower", "swapcase", "title", "upper", "removeprefix",
    "removesuffix", "count", "find", "index", "partition", "format",
}  # fmt: skip


def _width(text: str, *args: Any) -> int:
    """Of ljust, rjust, center, zfill: its first argument."""
    return max(len(text), _small(args[0])) if args else len(text)


def _tabs(text: str, tabsize: Any = 8) -> int:
    return len(text) + text.count("\t") * max(0, _small(tabsize))


def replaced_size(text: str, old: str, new: str, count: int = -1) -> int:
    """Characters of ``text.replace(old, new, count)``."""
    times = text.count(old) if count < 0 else min(count, text.count(old))
    return len(text) + times * max(0, len(new) - len(old))


def _pieces(text: str, sep: str | None = None, maxsplit: int = -1) -> int:
    """Of split and rsplit."""
    pieces = text.count(sep) if sep else len(text) // 2
    if maxsplit >= 0:
        pieces = min(pieces, maxsplit)
    return len(text) + _PIECE * pieces


def _searched(text: str, sought: str, *args: Any) -> int:
    """CPython searches backwards for each place anew."""
    if isinstance(sought, str) and len(text) * len(sought) > _MAX_SEARCH:
        raise RenderLimit("time")
    return len(text)


def _pieces_backwards(text: str, sep: str | None = None, maxsplit: int = -1) -> int:
    _searched(text, sep or "")
    return _pieces(text, sep, maxsplit)


def _lines(text: str, keepends: Any = False) -> int:
    return len(text) + _PIECE * sum(map(text.count, _LINE_ENDS))


def stripped_size(text: str, characters: str | None = None) -> int:
    """Every character at the ends is sought among `characters`."""
    if characters is not None and len(characters) > _MAX_STRIPPED:
        raise RenderLimit("time")
    return len(text)


_SIZES: Mapping[str, Callable[..., int]] = {
    **dict.fromkeys(_PREDICATES | _LINEAR, lambda text, *args, **named: len(text)),
    **dict.fromkeys(("center", "ljust", "rjust", "zfill"), _width),
    **dict.fromkeys(("strip", "lstrip", "rstrip"), stripped_size),
    **dict.fromkeys(("rfind", "rindex", "rpartition"), _searched),
    "expandtabs": _tabs,
    "join": lambda text, parts: len(text),
    "replace": replaced_size,
    "rsplit": _pieces_backwards,
    "split": _pieces,
    "splitlines": _lines,
}
"""The characters that each method of a text may make, by the text and the arguments."""

_METHODS: Mapping[type, frozenset[str]] = {
    str: frozenset(_SIZES),
    dict: frozenset({"copy", "get", "items", "keys", "values"}),
    list: frozenset({"copy", "count", "index"}),
    tuple: frozenset({"count", "index", "grouper", "list"}),
}


def is_allowed(owner: Any, attribute: str) -> bool:
    """Whether a template may have that attribute of a plain value."""
    names = _METHODS.get(type(owner))
    if names is None:
        return _is_allowed_in_base(owner, attribute)
    return attribute in names


def _is_allowed_in_base(owner: Any, attribute: str) -> bool:
    """Of Jinja's own kinds of text and tuple; and ``dict.fromkeys``."""
    kind = next((kind for kind in (str, tuple) if isinstance(owner, kind)), None)
    if kind is None:
        return owner is dict and attribute == "fromkeys"
    return attribute in _METHODS[kind]


def call_text(
    method: Callable[..., Any], text: str, args: tuple[Any, ...], named: Mapping[str, Any]
) -> Any:
    """Call a method of `text`. Raises RenderLimit, and what the method raises."""
    one = budget()
    name = method.__name__
    if name == "join":
        args = (joinable(text, *args),)
    for argument in (*args, *named.values()):
        one.measure(argument)
    one.check(_SIZES[name](text, *args, **named))
    one.spend(len(text))
    return made(method(*args, **named))


def call_list(
    method: Callable[..., Any], owner: Any, args: tuple[Any, ...], named: Mapping[str, Any]
) -> Any:
    """Call a method of a list, tuple or dict, which may compare its entries or copy them."""
    one = budget()
    if method.__name__ in ("count", "index"):
        one.measure(owner)
    for argument in (*args, *named.values()):
        one.measure(argument)
    return made(method(*args, **named))


def joinable(separator: str, parts: Iterable[Any]) -> list[Any]:
    """The parts of a text to be joined, which may be a generator. Raises RenderLimit."""
    items = items_of(parts)
    one = budget()
    one.check(len(separator) * len(items) + sum(map(one.measure, items)))
    return items


def made(value: Any) -> Any:
    """`value`, which was made just now, after paying for it. Raises RenderLimit."""
    one = budget()
    if isinstance(value, str):
        one.check(len(value))
        one.spend(value.__sizeof__())
    elif isinstance(value, (list, tuple, dict)):
        if len(value) > MAX_ITEMS:
            raise RenderLimit("size")
        one.spend(64 * len(value))
    return value


def concatenated(parts: Iterable[str]) -> str:
    """The texts as one. Raises RenderLimit."""
    items = parts if isinstance(parts, (list, tuple)) else items_of(parts)
    size = sum(map(len, items))
    one = budget()
    one.check(size)
    one.spend(4 * size)
    return "".join(items)


def check_operation(operator: str, left: Any, right: Any) -> None:
    """That ``left operator right`` is neither large nor long. Raises RenderLimit."""
    one = budget()
    if operator == "%" and isinstance(left, str):
        check_percent(left, right)
    elif isinstance(left, Sized) or isinstance(right, Sized):
        _check_sized(one, operator, left, right)
    else:
        bits = (_bits(left), _bits(right))
        if max(bits) > _MAX_BITS or (operator == "**" and abs(right) * bits[0] > _MAX_BITS):
            raise RenderLimit("size")


def _check_sized(one: RenderBudget, operator: str, left: Any, right: Any) -> None:
    if operator == "*":
        value, times = (left, right) if isinstance(left, Sized) else (right, left)
        size = len(value) * max(0, times)
    else:
        value, size = left, sum(len(side) for side in (left, right) if isinstance(side, Sized))
    if not isinstance(value, str) and size > MAX_ITEMS:
        raise RenderLimit("size")
    one.check(size)


def check_percent(text: str, values: Any) -> None:
    """That ``text % values`` is not large: every directive may show all of `values`."""
    one = budget()
    if "*" in text:
        check_small(values if isinstance(values, tuple) else (values,))
    directives = text.split("%")[1:]
    widest = max(map(_directive_width, directives), default=0)
    one.check(len(text) + len(directives) * (widest + one.measure(values)))


def _directive_width(directive: str) -> int:
    """The larger of width and precision in what follows a percent sign. Raises RenderLimit."""
    if directive.startswith("("):
        key, closed, directive = directive[1:].partition(")")
        if "(" in key or not closed:
            raise RenderLimit("size")
    found = _DIRECTIVE.match(directive)
    assert found is not None, "everything in it is optional"
    return max(map(_number, found.groups("")))


def check_widths(specification: str) -> None:
    """That no number in what follows the colon of a field is large. Raises RenderLimit."""
    for number in _NUMBER.finditer(specification):
        _number(number.group())


def _number(digits: str) -> int:
    """Raises RenderLimit if it is large."""
    number = int(digits[:9] or "0")
    if number > _MAX_WIDTH:
        raise RenderLimit("size")
    return number


def _small(value: Any) -> int:
    """`value` as a width. Raises RenderLimit if it is a large number."""
    if isinstance(value, int) and abs(value) > _MAX_WIDTH:
        raise RenderLimit("size")
    return value if isinstance(value, int) else 0


def check_small(values: Iterable[Any]) -> None:
    for value in values:
        _small(value)


def _bits(value: Any) -> int:
    return value.bit_length() if isinstance(value, int) else 0
