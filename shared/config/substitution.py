"""How does a secret get in? `${NAME}` and `${NAME:-default}` inside string values are taken from the environment.

A variable that is empty counts as absent, as in the shell's `:-`. `$${` is a literal `${`. What was taken is never
part of a message.
"""

import re
from collections.abc import Mapping
from typing import Final

from pydantic import JsonValue

from shared.config.document import Path

__all__ = ["Missing", "substituted"]

Missing = tuple[Path, str]
"""A place, and the variable that is asked for there."""

_REFERENCE: Final = re.compile(r"\$\$\{|\$\{(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?::-(?P<default>[^}]*))?\}")


def substituted(data: JsonValue, env: Mapping[str, str]) -> tuple[JsonValue, tuple[Missing, ...]]:
    missing: list[Missing] = []

    def replace(value: JsonValue, path: Path) -> JsonValue:
        if isinstance(value, dict):
            return {key: replace(item, (*path, str(key))) for key, item in value.items()}
        if isinstance(value, list):
            return [replace(item, (*path, index)) for index, item in enumerate(value)]
        if not isinstance(value, str):
            return value
        return _REFERENCE.sub(lambda match: taken(match, path), value)

    def taken(match: re.Match[str], path: Path) -> str:
        name, default = match["name"], match["default"]
        if name is None:
            return "${"
        found = env.get(name) or default
        if found is None:
            missing.append((path, name))
        return found or ""

    return replace(data, ()), tuple(missing)
