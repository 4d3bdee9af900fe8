"""YamlDocument: a YAML file with the line of each of its values, so that errors can name both."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from ovapi.validation.schemas import Schemas, dotted


class ConfigError(Exception):
    """What is wrong with a configuration, one line an error: ``path (line n): message``."""


@dataclass(frozen=True)
class YamlDocument:
    """A parsed file: the plain data, and the line of each YAML path."""

    name: str
    data: dict[str, Any]
    lines: Mapping[tuple[str | int, ...], int]

    @classmethod
    def read(cls, source: Path) -> YamlDocument:
        try:
            text = source.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else error
            raise ConfigError(f"{source}: cannot be read: {reason}") from None
        try:
            node = yaml.compose(text, Loader=yaml.SafeLoader)
            data = yaml.safe_load(text)
        except yaml.MarkedYAMLError as error:
            line = f" (line {error.problem_mark.line + 1})" if error.problem_mark else ""
            raise ConfigError(f"{source}: not valid YAML{line}: {error.problem}") from None
        except yaml.YAMLError as error:
            raise ConfigError(f"{source}: not valid YAML: {error}") from None
        lines: dict[tuple[str | int, ...], int] = {(): 1}
        repeated = list(_walk(node, (), lines)) if node is not None else []
        if repeated:
            raise ConfigError("\n".join(f"{source}: {line}" for line in repeated))
        return cls(str(source), {} if data is None else data, lines)

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


def _walk(
    node: yaml.Node, path: tuple[str | int, ...], lines: dict[tuple[str | int, ...], int]
) -> Iterator[str]:
    """Note the line of every path below `node`; yield a message for each repeated key."""
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            inner = (*path, key.value)
            if inner in lines:
                yield f"{_shown(inner)} (line {key.start_mark.line + 1}): duplicate key"
            lines[inner] = key.start_mark.line + 1
            yield from _walk(value, inner, lines)
    elif isinstance(node, yaml.SequenceNode):
        for index, value in enumerate(node.value):
            inner = (*path, index)
            lines[inner] = value.start_mark.line + 1
            yield from _walk(value, inner, lines)


def _shown(path: tuple[str | int, ...]) -> str:
    return dotted(path) or "the file"
