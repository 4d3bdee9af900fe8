"""YamlDocument: a YAML file with the line of each of its values, so that errors can name both."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from ovapi.config.values.files import read_text
from ovapi.validation.schemas import Schemas, dotted

MAX_VALUES = 100_000
"""Values in a file, those of an alias counted wherever it is used."""
KEY_TAGS = ("tag:yaml.org,2002:str", "tag:yaml.org,2002:merge")
_CONSTRUCTION = (ValueError, KeyError, TypeError, AttributeError, OverflowError)
"""What PyYAML lets through for `2020-13-45`, a number of 5,000 digits or `!!bool text`."""


class ConfigError(Exception):
    """What is wrong with a configuration, one line an error: ``path (line n): message``."""


@dataclass(frozen=True)
class YamlDocument:
    """A parsed file: the plain data, and the line of each YAML path.

    `complete`: its last line has its end, so no value in it is cut short.
    """

    name: str
    data: dict[str, Any]
    lines: Mapping[tuple[str | int, ...], int]
    complete: bool = True

    @classmethod
    def read(cls, source: Path) -> YamlDocument:
        try:
            text = read_text(source)
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else error
            raise ConfigError(f"{source}: cannot be read: {reason}") from None
        try:
            return cls._parse(str(source), text)
        except yaml.MarkedYAMLError as error:
            line = f" (line {error.problem_mark.line + 1})" if error.problem_mark else ""
            raise ConfigError(f"{source}: not valid YAML{line}: {error.problem}") from None
        except yaml.YAMLError as error:
            raise ConfigError(f"{source}: not valid YAML: {error}") from None
        except RecursionError:
            raise ConfigError(f"{source}: nested too deeply") from None

    @classmethod
    def _parse(cls, name: str, text: str) -> YamlDocument:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        complete = text.endswith("\n")
        if node is None:
            return cls(name, {}, {(): 1}, complete)
        walk = _Walk()
        walk.visit(node, ())
        if walk.problems:
            raise ConfigError("\n".join(f"{name}: {problem}" for problem in walk.problems))
        try:
            data = yaml.safe_load(text)
        except _CONSTRUCTION as error:
            raise ConfigError(f"{name}: contains a value that YAML cannot read: {error}") from None
        return cls(name, {} if data is None else data, walk.lines, complete)

    def check(self) -> None:
        """Raise ConfigError with every violation of schemas/config.json."""
        found = Schemas().errors("config", self.data)
        if found:
            raise ConfigError("\n".join(self.error(path, message) for path, message in found))

    def error(self, path: tuple[str | int, ...], message: str) -> str:
        return f"{self.name}: {_shown(path)} (line {self._line(path)}): {message}"

    def _line(self, path: tuple[str | int, ...]) -> int:
        """The line of the path, or of its nearest parent that is in the file."""
        while path not in self.lines:
            path = path[:-1]
        return self.lines[path]


class _Walk:
    """Notes the line of every path of a document and what is wrong with its structure.

    Aliases are followed as JSON Schema will follow them, so what they expand to is bounded.
    """

    def __init__(self) -> None:
        self.lines: dict[tuple[str | int, ...], int] = {(): 1}
        self.problems: list[str] = []
        self._above: set[int] = set()
        self._visited = 0

    def visit(self, node: yaml.Node, path: tuple[str | int, ...]) -> None:
        self._visited += 1
        if self._visited > MAX_VALUES:
            raise yaml.YAMLError(f"more than {MAX_VALUES} values, counting each use of an alias")
        if id(node) in self._above:
            self._problem(path, node, "an alias must not contain itself")
            return
        self._above.add(id(node))
        if isinstance(node, yaml.MappingNode):
            for key, value in node.value:
                self._member(path, key, value)
        elif isinstance(node, yaml.SequenceNode):
            for index, value in enumerate(node.value):
                self._inner((*path, index), value, value)
        self._above.remove(id(node))

    def _member(self, path: tuple[str | int, ...], key: yaml.Node, value: yaml.Node) -> None:
        if not isinstance(key, yaml.ScalarNode) or key.tag not in KEY_TAGS:
            self._problem(path, key, "keys must be text: quote them")
            return
        inner = (*path, key.value)
        if inner in self.lines:
            self._problem(inner, key, "duplicate key")
        self._inner(inner, key, value)

    def _inner(self, path: tuple[str | int, ...], place: yaml.Node, value: yaml.Node) -> None:
        self.lines[path] = place.start_mark.line + 1
        self.visit(value, path)

    def _problem(self, path: tuple[str | int, ...], node: yaml.Node, message: str) -> None:
        self.problems.append(f"{_shown(path)} (line {node.start_mark.line + 1}): {message}")


def _shown(path: tuple[str | int, ...]) -> str:
    return dotted(path) or "the file"
