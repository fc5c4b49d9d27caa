"""Which families are held to which features? Tests run over these tables, and `docs/providers.md` is made from them.

A feature that a family lacks is not left untested: whoever asks for it must be told, before any call.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

import pytest

__all__ = ["FAMILIES", "SHOWN_BY", "Family", "Feature", "lacking", "shows"]


class Feature(StrEnum):
    """In the order in which they stand in the table."""

    STREAMING = "streaming"
    WHOLE = "whole answers"
    CONVERSATION = "system prompts and turns"
    TOOLS = "tool calls"
    PARALLEL_TOOLS = "parallel tool calls"
    TOOL_CHOICE = "forced tool choice"
    TOOL_RESULTS = "tool results"
    IMAGE_URL = "images by URL"
    IMAGE_DATA = "images by base64"
    JSON_SCHEMA = "JSON schema"
    REASONING = "reasoning shown"
    REASONING_KEPT = "reasoning kept over turns"
    STOP = "stop sequences"
    FINISH_REASONS = "finish reasons"
    CONTENT_FILTER = "filtered answers"
    REFUSAL = "refusals"
    SEED = "seed"
    LOGPROBS = "log probabilities"
    TOP_LOGPROBS = "alternatives to tokens"
    USAGE = "usage in four buckets"
    LIMITS = "rate-limit headers"
    ERRORS = "error classes"
    EMBEDDINGS = "embeddings"


@dataclass(frozen=True, slots=True)
class Family:
    dialect: str
    """As in the configuration."""
    title: str
    path: str
    """Where the simulator speaks it: the end of `base_url`."""
    section: Mapping[str, Any] = field(default_factory=dict)
    """What else a provider's section needs."""
    lacks: Mapping[Feature, str] = field(default_factory=dict)
    """What the provider does not offer, and what stands in the table instead."""
    renames_calls: bool = False
    """Whether calls of tools have ids of its own form; they belong together as before."""
    counts_embeddings: bool = True
    """Else the ledger has an estimate."""


_NOT_IN_THIS_API: Final = {Feature.REASONING_KEPT: "not in this API"}
_NOT_AT_GOOGLE: Final = {Feature.REFUSAL: "declines in plain text", Feature.LIMITS: "none are sent"}

FAMILIES: Final = (
    Family("openai", "OpenAI", "/v1", lacks=_NOT_IN_THIS_API),
    Family("azure", "Azure OpenAI", "", lacks=_NOT_IN_THIS_API),
    Family(
        "anthropic",
        "Anthropic",
        "/v1",
        lacks={
            Feature.SEED: "not offered",
            Feature.LOGPROBS: "not offered",
            Feature.TOP_LOGPROBS: "not offered",
            Feature.EMBEDDINGS: "not offered",
        },
    ),
    Family(
        "bedrock",
        "AWS Bedrock",
        "",
        section={"auth": "aws", "aws_region": "us-east-1", "api_key": "AKIASECRET:secret"},
        lacks={
            Feature.IMAGE_URL: "not offered",
            Feature.REFUSAL: "declines in plain text",
            Feature.SEED: "not offered",
            Feature.LOGPROBS: "not offered",
            Feature.TOP_LOGPROBS: "not offered",
            Feature.LIMITS: "none are sent",
            Feature.EMBEDDINGS: "not in this API",
        },
    ),
    Family(
        "cohere",
        "Cohere",
        "/v2",
        lacks={
            Feature.CONTENT_FILTER: "filters none",
            Feature.REFUSAL: "declines in plain text",
            Feature.TOP_LOGPROBS: "not offered",
        },
    ),
    Family(
        "mistral",
        "Mistral",
        "/mistral/v1",
        lacks={
            Feature.REASONING_KEPT: "not sent back",
            Feature.CONTENT_FILTER: "filters none",
            Feature.REFUSAL: "declines in plain text",
        },
        renames_calls=True,
    ),
    Family(
        "together",
        "Together",
        "/together/v1",
        lacks={
            Feature.REASONING_KEPT: "not in this API",
            Feature.CONTENT_FILTER: "filters none",
            Feature.REFUSAL: "declines in plain text",
            Feature.LOGPROBS: "not as OpenAI's",
            Feature.TOP_LOGPROBS: "not as OpenAI's",
            Feature.LIMITS: "told by the second",
        },
        counts_embeddings=False,
    ),
    Family("gemini", "Google Gemini", "/v1beta", lacks=_NOT_AT_GOOGLE),
    Family("vertex", "Vertex AI", "/v1/projects/p/locations/europe-west1", lacks=_NOT_AT_GOOGLE),
)

SHOWN_BY: Final[dict[Feature, dict[str, None]]] = {}
"""The tests of each feature, as `file::test` in order, filled when their modules are imported."""

Test = Callable[..., Any]


def shows(feature: Feature) -> Callable[[Test], Test]:
    """The test runs for each family that has the feature."""

    def mark(test: Test) -> Test:
        module = test.__module__.rpartition(".")[2]
        SHOWN_BY.setdefault(feature, {})[f"{module}.py::{test.__name__}"] = None
        having = [family for family in FAMILIES if feature not in family.lacks]
        parametrized: Test = pytest.mark.parametrize("family", having, ids=lambda family: family.dialect)(test)
        return parametrized

    return mark


def lacking() -> list[tuple[Family, Feature]]:
    return [(family, feature) for family in FAMILIES for feature in family.lacks]
