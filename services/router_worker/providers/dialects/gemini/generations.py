"""What does a Gemini take, by its generation? The API is one, but how a model is told to think has changed over time.

Sources, read in November 2026, below ai.google.dev/gemini-api/docs: generate-content/thinking (levels, budgets),
generate-content/thought-signatures, media-resolution, openai (what each effort means).
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from services.router_worker.providers.chat import lack
from shared.contracts import JsonObject

__all__ = ["Generation", "generation_of"]

_VERSION: Final = re.compile(r"gemini-(\d)(?:\.(\d))?(?!\d)")
"""`gemini-2.5-flash`, `models/gemini-3.1-pro-preview`, `gemini-4-argon`."""

_BUDGETS: Final[Mapping[str, int]] = {"none": 0, "minimal": 1_024, "low": 1_024, "medium": 8_192, "high": 24_576}
"""Tokens, as Google's own layer for OpenAI's clients has them."""

_LEVELS: Final = ("minimal", "low", "medium", "high", "xhigh")


@dataclass(frozen=True, slots=True)
class Generation:
    """A model that is not known by its name is taken for one that takes everything: then the API has the word."""

    thinks: bool = True
    by_budget: bool = False
    """Whether it is told how many tokens to think; since Gemini 3 it is told a level."""
    rests: bool = False
    """Whether it can be told not to think at all."""
    details: bool = True
    """Whether it can be told how closely to look at each picture: since Gemini 3."""
    wants_signatures: bool = False
    """Whether a call that comes back without the signature of its thoughts is refused."""

    def thinking(self, effort: str) -> JsonObject:
        """`thinkingConfig` for one of OpenAI's efforts. Raises UnsupportedError."""
        if not self.thinks:
            lack("reasoning_effort", "is nothing that this Gemini could be asked for: it does not think")
        if effort == "none" and not self.rests:
            lack("reasoning_effort", "cannot be none: this Gemini always thinks")
        efforts = tuple(_BUDGETS) if self.by_budget else _LEVELS
        if effort not in efforts:
            lack("reasoning_effort", f"is none of {', '.join(efforts)}")
        if self.by_budget:
            return {"thinkingBudget": _BUDGETS[effort], "includeThoughts": effort != "none"}
        return {"thinkingLevel": effort.upper(), "includeThoughts": True}


def generation_of(model: str) -> Generation:
    found = _VERSION.search(model)
    if found is None:
        return Generation()
    version = int(found[1]), int(found[2] or 0)
    if version < (2, 5):
        return Generation(thinks=False, details=False)
    if version < (3, 0):
        return Generation(by_budget=True, rests="2.5-pro" not in model, details=False)
    return Generation(wants_signatures=True)
