"""Reads another gateway's file, writes ours, and looks whether that is right."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml

from cli.configuring.litellm import Translation, translated
from services.router_worker.providers.known import KNOWN
from shared.config import ConfigError, parse_config
from shared.errors import OperatorError

__all__ = ["ForeignFileError", "Imported", "imported"]


class ForeignFileError(OperatorError):
    """It cannot be read."""


@dataclass(frozen=True, slots=True)
class Imported:
    text: str
    untranslated: Sequence[str]
    variables: Sequence[str]


def imported(file: Path) -> Imported:
    """Raises ForeignFileError."""
    try:
        source = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ForeignFileError(f"{file}: {str(error).splitlines()[0]}") from None
    if not isinstance(source, dict) or not isinstance(source.get("model_list"), list):
        raise ForeignFileError(f"{file}: there is no `model_list` in it, as a LiteLLM proxy has one")
    made = translated(source)
    body = yaml.safe_dump(made.document, sort_keys=False, allow_unicode=True, width=120)
    left = [*made.untranslated, *_wrong(made, body)]
    return Imported("\n".join([*_heading(file, left), body]), left, made.variables)


def _heading(file: Path, left: Sequence[str]) -> list[str]:
    lines = [
        f"# From {file.name}, the configuration of a LiteLLM proxy. Callers: `sluice keys new NAME --tenant TENANT`."
    ]
    if left:
        lines += ["#", "# What is not in it, or is to be looked at:", *(f"# - {sentence}" for sentence in left)]
    return [*lines, ""]


def _wrong(made: Translation, body: str) -> list[str]:
    """What would still have to be set right, were the variables set."""
    try:
        parse_config(body, _as_if_set(made), source="", known=KNOWN)
    except ConfigError as error:
        return [f"{each.path}: {each.message}" for each in error.problems]
    return []


def _as_if_set(made: Translation) -> Mapping[str, str]:
    bases = [str(section.get("base_url")) for section in made.document["providers"].values()]
    alone = {found[1] for base in bases if (found := re.fullmatch(r"\$\{(\w+)\}/?", base))}
    return {name: "https://provider.invalid" if name in alone else "x" for name in made.variables}
