"""The APIs the simulator speaks. A new one is one file and one line here."""

from typing import Final

from simulator.dialects.anthropic_messages import AnthropicMessages
from simulator.dialects.azure import AzureOpenAI
from simulator.dialects.bedrock_converse import BedrockConverse
from simulator.dialects.cohere_chat import CohereChat
from simulator.dialects.dialect import Dialect, Route
from simulator.dialects.gemini import Gemini
from simulator.dialects.mistral import Mistral
from simulator.dialects.openai_chat import OpenAIChat
from simulator.dialects.together import Together
from simulator.dialects.vertex import Vertex

__all__ = ["DIALECTS", "find_dialect"]

DIALECTS: Final[tuple[Dialect, ...]] = (
    OpenAIChat(),
    AzureOpenAI(),
    AnthropicMessages(),
    Gemini(),
    Vertex(),
    CohereChat(),
    BedrockConverse(),
    Mistral(),
    Together(),
)


def find_dialect(method: str, path: str) -> tuple[Dialect, Route] | None:
    for dialect in DIALECTS:
        route = dialect.serves(method, path)
        if route is not None:
            return dialect, route
    return None
