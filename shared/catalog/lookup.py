"""Find a model by the name people give it: exactly, else by the longest family name in front of it. Pure."""

import re
from dataclasses import dataclass
from typing import Final

from shared.catalog.families import FAMILIES, Family
from shared.tokens.calibration import UNKNOWN, Calibration
from shared.tokens.vocabularies import EncodingName

__all__ = ["ModelFacts", "find"]


@dataclass(frozen=True, slots=True)
class ModelFacts:
    family: str | None
    """The entry of the table that was found; None for an unknown model, about which only a guess is said."""
    encoding: EncodingName
    is_encoding_exact: bool
    """Whether the model really counts so."""
    calibration: Calibration
    """How many more it may count."""
    context_window: int | None
    """Tokens of input and output together; None when unknown."""
    max_output_tokens: int | None
    embeds: bool | None = None
    """Whether it makes embeddings, and then nothing else; None when nobody knows."""


_UNKNOWN: Final = ModelFacts(
    None, "o200k_base", is_encoding_exact=False, calibration=UNKNOWN, context_window=None, max_output_tokens=None
)

_BY_NAME: Final[dict[str, Family]] = {name: family for family in FAMILIES for name in family.names}
_LONGEST: Final = max(map(len, _BY_NAME))

_VENDOR: Final = re.compile(r"(?:[a-z]{2,6}\.)?(?:anthropic|amazon|cohere|deepseek|meta|mistral|openai|qwen)\.")
"""As on Bedrock: `eu.anthropic.claude-…`."""

_BORDERS: Final = frozenset("-._:@ ")


def find(model: str) -> ModelFacts:
    """`openai/gpt-4o-2024-08-06`, `ft:gpt-4o:acme::x1` and `us.anthropic.claude-sonnet-4-…-v1:0` are found as well."""
    name = model.lower().rpartition("/")[2].removeprefix("ft:")
    name = _VENDOR.sub("", name, count=1) if _VENDOR.match(name) else name
    for length in range(min(len(name), _LONGEST), 0, -1):
        # A family ends where a word ends: `o3` is in front of `o3-mini`, not of `o365`.
        if (length == len(name) or name[length] in _BORDERS) and (family := _BY_NAME.get(name[:length])):
            return _facts(name, name[:length], family)
    return _UNKNOWN


def _facts(model: str, name: str, family: Family) -> ModelFacts:
    return ModelFacts(
        family=name,
        encoding=family.encoding,
        is_encoding_exact=family.vendor == "openai",
        calibration=family.calibration,
        context_window=family.context_window,
        max_output_tokens=family.max_output_tokens,
        # Vendors name models for embeddings after those they were made from.
        embeds=True if family.embeds else None if "embed" in model else False,
    )
