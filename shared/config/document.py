"""What does the YAML text say, and on which line? Refuses what YAML lets pass silently, such as a key given twice."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, cast

import yaml
from pydantic import JsonValue

from shared.config.problems import ConfigError, Problem

__all__ = ["Document", "Path", "parse_document", "written"]

Path = tuple[str | int, ...]
"""Keys and indexes from the top of the document."""

_TIMESTAMP: Final = "tag:yaml.org,2002:timestamp"
_INTEGER: Final = "tag:yaml.org,2002:int"
_MERGE: Final = "tag:yaml.org,2002:merge"


@dataclass(frozen=True, slots=True)
class Document:
    data: JsonValue
    lines: dict[tuple[str, ...], int]

    def line(self, path: Path) -> int | None:
        """The line of the value at `path`, or of the nearest thing around it that is in the file."""
        steps = tuple(map(str, path))
        while steps and steps not in self.lines:
            steps = steps[:-1]
        return self.lines.get(steps)


class _Loader(yaml.SafeLoader):
    """Without dates and without numbers to the base of sixty: 2024-08-06 may be a model, and 13:15 is a time."""


def _text(loader: _Loader, node: yaml.Node) -> str:
    return str(loader.construct_scalar(cast("yaml.ScalarNode", node)))


def _number(loader: _Loader, node: yaml.Node) -> int | str:
    text = _text(loader, node)
    return text if ":" in text else loader.construct_yaml_int(cast("yaml.ScalarNode", node))


_Loader.add_constructor(_TIMESTAMP, _text)
_Loader.add_constructor(_INTEGER, _number)


def parse_document(text: str, source: str) -> Document:
    """Raises ConfigError: not YAML, a key given twice, an alias that contains itself."""
    try:
        loader = _Loader(text)
        node = loader.get_single_node()
        if node is None:
            return Document({}, {})
        places = list(_walk(node, (), 1, frozenset()))
        problems = tuple(place for place in places if isinstance(place, Problem))
        if problems:
            raise ConfigError(source, problems)
        lines = {tuple(map(str, place[0])): place[1] for place in places if not isinstance(place, Problem)}
        return Document(loader.construct_document(node), lines)
    except yaml.MarkedYAMLError as error:
        raise ConfigError(source, (_syntax(error, text),)) from error
    except (yaml.YAMLError, ValueError) as error:  # ValueError: `!!int` in front of something else
        raise ConfigError(source, (Problem("", f"not valid YAML: {str(error).splitlines()[0]}"),)) from error


def written(path: Path) -> str:
    """`("models", "a", "deployments", 0)` as `models.a.deployments[0]`."""
    text = ""
    for step in path:
        text += f"[{step}]" if isinstance(step, int) else f".{step}" if text else step
    return text


def _syntax(error: yaml.MarkedYAMLError, text: str) -> Problem:
    mark = error.problem_mark or error.context_mark
    message = "not valid YAML: " + ", ".join(filter(None, (error.context, error.problem)))
    if not mark:
        return Problem("", message)
    if "${" in "".join(text.splitlines()[mark.line : mark.line + 1]):
        message += " (inside { } or [ ], put quotes around ${…})"
    return Problem("", message, mark.line + 1)


def _walk(node: yaml.Node, path: Path, line: int, around: frozenset[int]) -> Iterator[tuple[Path, int] | Problem]:
    if id(node) in around:
        yield Problem(written(path), "an alias contains itself", line)
        return
    yield path, line
    inside = around | {id(node)}
    if isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            yield from _walk(item, (*path, index), item.start_mark.line + 1, inside)
    elif isinstance(node, yaml.MappingNode):
        seen: dict[str, int] = {}
        for key, value in node.value:
            key_line = key.start_mark.line + 1
            name = str(key.value)
            if name in seen and key.tag != _MERGE:
                yield Problem(written((*path, name)), f"given twice; first on line {seen[name]}", key_line)
            seen.setdefault(name, key_line)
            yield from _walk(value, (*path, name), key_line, inside)
