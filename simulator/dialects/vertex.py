"""Gemini on Vertex AI on the wire: the Gemini API below a project, a region and a publisher."""

import re
from typing import ClassVar

from simulator.dialects.dialect import Route, Stamp
from simulator.dialects.gemini import Gemini
from simulator.dialects.gemini_voice import GeminiVoice, Json
from simulator.exchange import Ask, Usage

__all__ = ["Vertex"]


class Vertex(Gemini):
    place: ClassVar = re.compile(
        r"/v1(?:beta1)?/(?:projects/[^/]+/locations/[^/]+/)?publishers/google/models/(?P<model>[^/:]+)"
        r":(?P<method>[A-Za-z]+)"
    )
    methods: ClassVar = Gemini.methods | {"predict"}

    def serves(self, method: str, path: str) -> Route | None:
        return super().serves(method, path) if method == "POST" else None

    def voice(self, ask: Ask, stamp: Stamp) -> "VertexVoice":
        return VertexVoice(ask, stamp)


class VertexVoice(GeminiVoice):
    """Nothing is counted before the end. What is no Gemini predicts its embeddings."""

    def used(self, usage: Usage) -> Json:
        return {**super().used(usage), "trafficType": "ON_DEMAND"}

    def used_so_far(self) -> Json:
        return {"trafficType": "ON_DEMAND"}

    def embeddings(self, vectors: tuple[tuple[float, ...], ...], usage: Usage | None) -> Json:
        if "gemini" in self._stamp.model:
            return super().embeddings(vectors, usage)
        tokens, rest = divmod(usage.prompt_tokens if usage else 0, len(vectors))
        counts = [tokens + rest, *[tokens] * (len(vectors) - 1)]
        return {
            "predictions": [
                {"embeddings": {"values": vector, "statistics": {"truncated": False, "token_count": count}}}
                for vector, count in zip(vectors, counts, strict=True)
            ]
        }
