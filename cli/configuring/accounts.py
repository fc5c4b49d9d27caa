"""Where are the well-known providers, in which variables are their keys, which of their models does one begin with?"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

__all__ = ["ACCOUNTS", "Account"]


@dataclass(frozen=True, slots=True)
class Account:
    """One provider, as sections of `sluice.yaml` name it."""

    name: str
    variables: tuple[str, ...]
    """Where its key is usually kept; the first that is set counts."""
    base_url: str
    models: tuple[str, ...]
    """To begin with."""
    dialect: str = "openai"
    price_as: str | None = None
    section: Mapping[str, str] | None = None
    """What else its section says. Without a key of its own where `auth` is among it."""
    besides: tuple[str, ...] = ()
    """Variables that must be set too, because `base_url` names them."""

    def found_in(self, env: Mapping[str, str]) -> str | None:
        """The variable that its key is in, if all is there."""
        if not all(env.get(name) for name in self.besides):
            return None
        return next((name for name in self.variables if env.get(name)), None)


ACCOUNTS: Final = (
    Account("openai", ("OPENAI_API_KEY",), "https://api.openai.com/v1", ("gpt-4o-mini", "text-embedding-3-small")),
    Account(
        "anthropic",
        ("ANTHROPIC_API_KEY",),
        "https://api.anthropic.com/v1",
        ("claude-sonnet-4-5", "claude-haiku-4-5"),
        dialect="anthropic",
    ),
    Account(
        "gemini",
        ("GEMINI_API_KEY", "GOOGLE_API_KEY"),
        "https://generativelanguage.googleapis.com/v1beta",
        ("gemini-2.5-flash",),
        dialect="gemini",
        price_as="google",
    ),
    Account(
        "vertex",
        ("GOOGLE_APPLICATION_CREDENTIALS",),
        "https://${GOOGLE_CLOUD_LOCATION:-europe-west1}-aiplatform.googleapis.com/v1/projects/${GOOGLE_CLOUD_PROJECT}"
        "/locations/${GOOGLE_CLOUD_LOCATION:-europe-west1}",
        ("gemini-2.5-flash",),
        dialect="vertex",
        price_as="google",
        section={"auth": "google"},
        besides=("GOOGLE_CLOUD_PROJECT",),
    ),
    Account(
        "bedrock",
        ("AWS_ACCESS_KEY_ID", "AWS_PROFILE", "AWS_WEB_IDENTITY_TOKEN_FILE"),
        "https://bedrock-runtime.${AWS_REGION:-us-east-1}.amazonaws.com",
        ("anthropic.claude-haiku-4-5-20251001-v1:0",),
        dialect="bedrock",
        price_as="aws",
        section={"auth": "aws"},
    ),
    Account(
        "azure",
        ("AZURE_OPENAI_API_KEY", "AZURE_API_KEY"),
        "${AZURE_OPENAI_ENDPOINT}",
        ("gpt-4o-mini",),
        dialect="azure",
        besides=("AZURE_OPENAI_ENDPOINT",),
    ),
    Account(
        "cohere",
        ("COHERE_API_KEY", "CO_API_KEY"),
        "https://api.cohere.com/v2",
        ("command-a-03-2025",),
        dialect="cohere",
    ),
    Account("mistral", ("MISTRAL_API_KEY",), "https://api.mistral.ai/v1", ("mistral-small-latest",), dialect="mistral"),
    Account(
        "together",
        ("TOGETHER_API_KEY", "TOGETHERAI_API_KEY"),
        "https://api.together.xyz/v1",
        ("meta-llama/Llama-3.3-70B-Instruct-Turbo",),
        dialect="together",
    ),
    Account("groq", ("GROQ_API_KEY",), "https://api.groq.com/openai/v1", ("llama-3.3-70b-versatile",), dialect="groq"),
    Account("deepseek", ("DEEPSEEK_API_KEY",), "https://api.deepseek.com/v1", ("deepseek-chat",), dialect="deepseek"),
    Account("xai", ("XAI_API_KEY",), "https://api.x.ai/v1", ("grok-4",), dialect="xai", price_as="x-ai"),
    Account(
        "openrouter",
        ("OPENROUTER_API_KEY",),
        "https://openrouter.ai/api/v1",
        ("openai/gpt-4o-mini",),
        dialect="openrouter",
    ),
    Account(
        "fireworks",
        ("FIREWORKS_API_KEY", "FIREWORKS_AI_API_KEY"),
        "https://api.fireworks.ai/inference/v1",
        ("accounts/fireworks/models/llama-v3p3-70b-instruct",),
        dialect="fireworks",
    ),
)
