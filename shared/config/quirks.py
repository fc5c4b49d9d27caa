"""How do servers differ that call themselves OpenAI-compatible? Data, by the name that stands as a provider's dialect.

Where a provider gives quirks of its own, they go before these one by one. A name that is not here has none. Sources are
the servers' own documents, read in November 2026.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from pydantic import BaseModel, ConfigDict, JsonValue

__all__ = ["QUIRKS", "Quirks"]


class Quirks(BaseModel):
    """How a server that calls itself OpenAI-compatible differs, as data."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    usage_in_stream: bool = True
    """Whether it understands `stream_options.include_usage`."""
    prefill: bool = False
    """Whether it goes on behind a last message of the assistant; needed by `continue`."""
    prefill_parameters: dict[str, JsonValue] = {}
    """What such a request must say besides."""
    prefill_message: dict[str, JsonValue] = {}
    """What that last message must say besides."""
    key_header: str = "authorization"
    """Where the key stands. In `authorization` it is a bearer token, in any other header it stands alone."""
    renames: dict[str, str] = {}
    """Parameters that have another name there, such as `seed: random_seed`."""
    refuses: tuple[str, ...] = ()
    """Parameters that it refuses or does not heed: a request that needs one of them is not sent there."""
    takes_user: bool = True
    """Whether it wants to know for whom it answers; the ledger knows in any case."""
    schemas: bool = True
    """Whether `response_format` may hold a JSON Schema."""
    images: bool = True
    """Whether messages may hold pictures."""
    image_urls: bool = True
    """Whether it fetches a picture by its URL; else only those that come along are sent there."""
    reasoning: str = "reasoning_content"
    """Where the text of a thought stands in a message. Callers find it in `reasoning_content`, whatever this is."""
    takes_reasoning: bool = False
    """Whether it wants the thoughts of earlier turns back. Else they stay here: they are no part of a conversation."""
    finish_reasons: dict[str, str] = {}
    """Its own words for why an answer ends, and OpenAI's for them."""
    short_tool_ids: bool = False
    """Whether the id of a tool call must be nine letters and digits; others are then sent under such names."""
    takes_extra_content: bool = False
    """Whether it wants the `extra_content` of tool calls back, as Google's endpoint for OpenAI's clients does."""
    cached_tokens: str = "prompt_tokens_details.cached_tokens"
    """Where the usage counts the input that came from a cache."""


QUIRKS: Final[Mapping[str, Quirks]] = MappingProxyType(
    {
        # learn.microsoft.com/azure/ai-foundry/openai/reference: the key stands alone.
        "azure": Quirks(key_header="api-key"),
        # docs.vllm.ai/en/latest/features/reasoning_outputs: `reasoning` since 0.11, `reasoning_content` before.
        # …/serving/openai_compatible_server, extra parameters: a last message is gone on with when these say so.
        "vllm": Quirks(
            prefill=True,
            prefill_parameters={"continue_final_message": True, "add_generation_prompt": False},
            reasoning="reasoning",
        ),
        # docs.ollama.com/api/openai-compatibility: these fields are not in its list, and what is not is not heeded.
        "ollama": Quirks(
            renames={"max_completion_tokens": "max_tokens"},
            refuses=("logit_bias", "n", "parallel_tool_calls", "service_tier"),
            reasoning="reasoning",
        ),
        # console.groq.com/docs/openai, "currently unsupported": these give a 400. docs/reasoning: `reasoning`.
        "groq": Quirks(
            refuses=("logprobs", "logit_bias", "top_logprobs", "n", "messages.name"),
            reasoning="reasoning",
        ),
        # api-docs.deepseek.com/api/create-chat-completion. Thinking mode: thoughts between tool calls go back.
        "deepseek": Quirks(
            renames={"max_completion_tokens": "max_tokens"},
            refuses=("seed", "n", "logit_bias", "parallel_tool_calls"),
            takes_user=False,
            schemas=False,
            images=False,
            takes_reasoning=True,
            cached_tokens="prompt_cache_hit_tokens",
        ),
        # docs.x.ai/docs/api-reference: `logit_bias` is not supported. Reasoning is counted beside the completion.
        "xai": Quirks(refuses=("logit_bias",)),
        # openrouter.ai/docs/use-cases/reasoning-tokens: `reasoning`, with `reasoning_details` beside it.
        "openrouter": Quirks(reasoning="reasoning", takes_reasoning=True),
        # docs.fireworks.ai/api-reference/post-chatcompletions: usage always stands in the last chunk.
        "fireworks": Quirks(usage_in_stream=False, renames={"max_completion_tokens": "max_tokens"}),
        # docs.mistral.ai/api: a field that it does not know is a 422; usage in the last chunk; `prefix` in a message.
        # Types of mistralai 3.7: `logprobs` as OpenAI has them, `output_dimension` of embeddings.
        "mistral": Quirks(
            usage_in_stream=False,
            prefill=True,
            prefill_message={"prefix": True},
            renames={
                "max_completion_tokens": "max_tokens",
                "seed": "random_seed",
                "dimensions": "output_dimension",
            },
            refuses=("logit_bias", "messages.name"),
            takes_user=False,
            finish_reasons={"model_length": "length"},
            short_tool_ids=True,
        ),
        # docs.together.ai/reference/chat-completions-1: usage in the last chunk; `logprobs` is a number of them; an
        # answer that came to its end has the reason `eos`.
        "together": Quirks(
            usage_in_stream=False,
            renames={"max_completion_tokens": "max_tokens"},
            refuses=("logprobs", "top_logprobs", "parallel_tool_calls"),
            takes_user=False,
            reasoning="reasoning",
            finish_reasons={"eos": "stop"},
            cached_tokens="cached_tokens",
        ),
    }
)
