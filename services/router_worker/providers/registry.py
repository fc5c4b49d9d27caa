"""Which dialects are there? By the name that a provider's section in the configuration gives."""

from collections.abc import Mapping
from typing import Final

from services.router_worker.providers.dialect import Dialect
from services.router_worker.providers.dialects.anthropic import Anthropic
from services.router_worker.providers.dialects.azure import Azure
from services.router_worker.providers.dialects.bedrock import Bedrock
from services.router_worker.providers.dialects.cohere import Cohere
from services.router_worker.providers.dialects.gemini import Gemini
from services.router_worker.providers.dialects.openai import OpenAI
from services.router_worker.providers.dialects.vertex import Vertex
from shared.config.quirks import QUIRKS

__all__ = ["DIALECTS"]

DIALECTS: Final[Mapping[str, Dialect]] = {
    "openai": OpenAI(),
    **dict.fromkeys(QUIRKS, OpenAI()),
    "anthropic": Anthropic(),
    "azure": Azure(),
    "bedrock": Bedrock(),
    "cohere": Cohere(),
    "gemini": Gemini(),
    "vertex": Vertex(),
}
