"""What does a Claude take, by its version? The API is one, but models have dropped some of its parameters over time.

Sources, read in November 2026, below platform.claude.com/docs/en: build-with-claude/thinking-troubleshooting (thinking,
sampling), about-claude/models/whats-new-claude-4-6 (prefill), build-with-claude/structured-outputs (schemas).
"""

import re
from dataclasses import dataclass
from typing import Final

__all__ = ["Claude", "claude_of"]

_VERSION: Final = re.compile(r"claude-(?:[a-z]+-)?(\d)(?:[.-](\d)(?!\d))?")
"""`claude-3-5-sonnet-20241022`, `claude-opus-4-20250514`, `anthropic.claude-sonnet-4-5-20250929-v1:0`."""

_WITHOUT_SAMPLING: Final = "2026-10-21"
"""The version of the API that dropped it: platform.claude.com/docs/en/api/versioning. Versions compare as text."""

_PREVIEWS: Final = {"claude-mythos-preview": (4, 7)}


@dataclass(frozen=True, slots=True)
class Claude:
    """A model that is not known by its name is taken for one that takes everything: then the API has the word."""

    samples: bool = True
    """Whether it heeds `temperature`, `top_p` and `top_k`; models since 4.7 refuse them, as does the API of 2026."""
    samples_by_both: bool = True
    """Whether `temperature` and `top_p` may stand together."""
    prefill: bool = True
    """Whether a conversation may end with what the assistant has begun to say; since 4.6 it may not."""
    adaptive: bool = True
    """Whether it decides itself how much to think. Before 4.6 it has to be given a budget."""
    schemas: bool = True
    """Whether an answer can be held to a JSON Schema."""


def claude_of(model: str, api_version: str) -> Claude:
    samples = api_version < _WITHOUT_SAMPLING
    version = _version(model.lower())
    if version is None:
        return Claude(samples=samples)
    return Claude(
        samples=samples and version < (4, 7),
        samples_by_both=version < (4, 1),
        prefill=version < (4, 6),
        adaptive=version >= (4, 6),
        schemas=version >= (4, 1),
    )


def _version(model: str) -> tuple[int, int] | None:
    for name, version in _PREVIEWS.items():
        if name in model:
            return version
    found = _VERSION.search(model)
    return (int(found[1]), int(found[2] or 0)) if found else None
