"""The token count of `ports.TokenCount`: each model with the vocabulary that is nearest to its own."""

from collections.abc import Mapping
from typing import Final

from shared.catalog import ModelFacts
from shared.contracts import JsonObject
from shared.tokens import ChatTokens, TokenCounter

__all__ = ["VocabularyTokens"]

_BEYOND: Final = 250_000
"""Up to so many too many are told exactly."""


class VocabularyTokens:
    def __init__(self, counter: TokenCounter, models: Mapping[str, ModelFacts]) -> None:
        self._counter = counter
        self._models = models

    async def count(self, model: str, body: JsonObject, window: int | None) -> ChatTokens:
        facts = self._models[model]
        enough = None if window is None else window + _BEYOND
        return await self._counter.count_chat_async(facts.encoding, body, facts.calibration, enough)
