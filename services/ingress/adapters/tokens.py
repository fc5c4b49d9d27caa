"""The token count of `ports.TokenCount`: each model with the vocabulary that is nearest to its own."""

from collections.abc import Mapping

from shared.contracts import JsonObject
from shared.tokens import EncodingName, TokenCounter

__all__ = ["VocabularyTokens"]


class VocabularyTokens:
    def __init__(self, counter: TokenCounter, encodings: Mapping[str, EncodingName]) -> None:
        self._counter = counter
        self._encodings = encodings

    async def count(self, model: str, body: JsonObject) -> int:
        return (await self._counter.count_chat_async(self._encodings[model], body)).input
