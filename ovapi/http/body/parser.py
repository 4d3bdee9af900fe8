"""Request bodies: strict JSON, and nothing that two parsers could read in two ways.

Refused, besides what is no JSON: other encodings than UTF-8, NaN and infinities, numbers beyond 64
bits, duplicate keys, lone surrogates and NUL in text, nesting deeper than 64, and more values than
any request needs: millions of small ones take seconds, in parts of which no other thread runs.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any, NoReturn

from ovapi.errors import InvalidRequest, UnsupportedMediaType

MAX_DEPTH = 64
MAX_VALUES = 2**20 + 2**16
"""A prompt may have 2**20 token ids."""
MAX_COMPOUND = 2**17
"""Objects and arrays, and likewise keys."""
MAX_DIGITS = 20
BLANKS = b" \t\r\n"
MAX_BLANKS = 1024
"""Before the object; with more, lines are counted from where it begins."""
MAX_NAME_CHARACTERS = 80


def check_headers(headers: Mapping[str, str]) -> None:
    """Raise UnsupportedMediaType unless the headers announce plain JSON in UTF-8."""
    if _media_type(headers)[0] != "application/json":
        raise UnsupportedMediaType("The Content-Type must be application/json.")
    check_encoding(headers)


def check_encoding(headers: Mapping[str, str]) -> None:
    """Raise UnsupportedMediaType if the headers announce anything but plain UTF-8."""
    for parameter in _media_type(headers)[1:]:
        name, _, value = parameter.partition("=")
        if name == "charset" and value.strip('"') not in ("utf-8", "utf8"):
            raise UnsupportedMediaType("The charset must be utf-8.")
    if headers.get("Content-Encoding", "identity").strip().lower() != "identity":
        raise UnsupportedMediaType("Compressed bodies are not supported: omit Content-Encoding.")


def _media_type(headers: Mapping[str, str]) -> list[str]:
    """The parts of the Content-Type, in lower case."""
    return [part.strip().lower() for part in headers.get("Content-Type", "").split(";")]


def parse(data: bytes) -> dict[str, Any]:
    """The JSON object in `data`. Raises InvalidRequest that says what is wrong with it."""
    text = _text(data)
    _check_amount(text)
    try:
        value = _DECODER.decode(text)
    except json.JSONDecodeError as error:
        _refuse(f"is not valid JSON: {error.msg} at line {error.lineno} column {error.colno}")
    except RecursionError:
        _refuse(f"is nested more than {MAX_DEPTH} levels deep")
    if not isinstance(value, dict):
        _refuse("must be a JSON object")
    # Few brackets cannot nest deeply, and only an escape can bring in a bad character.
    if "\\u" in text or text.count("{") + text.count("[") > MAX_DEPTH:
        _check(value)
    return value


def _text(data: bytes) -> str:
    """Without many blanks around it: the decoder would go over them with the GIL held."""
    data = data.rstrip(BLANKS)
    if data[:MAX_BLANKS].isspace():
        data = data.lstrip(BLANKS)
    if not data:
        _refuse("is empty: send a JSON object")
    if data.startswith((b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")):
        _refuse("must be UTF-8 without a byte order mark")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        _refuse(f"is not valid UTF-8 at byte {error.start}")


def _check_amount(text: str) -> None:
    """Counts the characters that values come with, in strings too: more cannot be a prompt."""
    compound = text.count("{") + text.count("[")
    if text.count(",") > MAX_VALUES or max(compound, text.count(":")) > MAX_COMPOUND:
        _refuse("contains too many values")


def _check(value: Any) -> None:
    """Walk everything, level by level, for its depth and for the characters in its strings."""
    level: list[Any] = [value]
    for _ in range(MAX_DEPTH + 1):
        level = [inner for item in level for inner in _members(item)]
        if not level:
            return
    _refuse(f"is nested more than {MAX_DEPTH} levels deep")


def _members(item: Any) -> list[Any]:
    if isinstance(item, str):
        _check_text(item)
    if isinstance(item, dict):
        return [*item, *item.values()]
    return item if isinstance(item, list) else []


def _check_text(text: str) -> None:
    if "\0" in text:
        _refuse("contains a NUL character")
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        _refuse("contains an unpaired surrogate")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                _refuse(
                    "contains a duplicate key",
                    key[:MAX_NAME_CHARACTERS].encode("utf-8", "replace").decode(),
                )
            seen.add(key)
    return found


def _integer(digits: str) -> int:
    if len(digits) > MAX_DIGITS:
        _refuse("contains an integer of more than 64 bits")
    return int(digits)


def _number(digits: str) -> float:
    value = float(digits)
    if not math.isfinite(value):
        _refuse("contains a number that is too large")
    return value


def _constant(name: str) -> NoReturn:
    _refuse(f"contains {name}, which is not valid JSON")


def _refuse(problem: str, param: str | None = None) -> NoReturn:
    where = f": '{param}'" if param is not None else ""
    raise InvalidRequest(f"The body {problem}{where}.", param=param, code="invalid_json")


_DECODER = json.JSONDecoder(
    object_pairs_hook=_object,
    parse_int=_integer,
    parse_float=_number,
    parse_constant=_constant,
)
