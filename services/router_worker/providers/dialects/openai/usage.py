"""How many tokens did the provider count, and what did it charge? OpenAI's `usage` into our disjoint buckets."""

import json
from decimal import Decimal
from typing import Final

from pydantic import JsonValue

from services.router_worker.events import UsageReported
from shared.config.quirks import Quirks
from shared.contracts import JsonObject, TokenUsage, Unit
from shared.money import Nanodollars, nanodollars

__all__ = ["read_usage"]


_OPENAIS: Final = Quirks().cached_tokens
_TICKS_A_DOLLAR: Final = Decimal(10**10)
"""xAI's (docs.x.ai/developers/cost-tracking)."""


def read_usage(usage: JsonObject, raw: bytes, cached_tokens: str = _OPENAIS) -> UsageReported | None:
    """None when it counts nothing we know. `raw` is the JSON that `usage` stood in, for reading money exactly.

    `cached_tokens` says where the input from a cache is counted.
    """
    if "prompt_tokens" not in usage and "completion_tokens" not in usage:
        return None
    section, _, name = cached_tokens.rpartition(".")
    cached = _detail(usage, section, name) if section else _count(usage, name)
    tokens = _tokens(usage, cached)
    if cached_tokens != _OPENAIS and "prompt_tokens_details" not in usage:
        usage = {**usage, "prompt_tokens_details": {"cached_tokens": tokens.cache_read}}
    if tokens.output != _count(usage, "completion_tokens"):
        usage = {**usage, "completion_tokens": tokens.output}
    return UsageReported(tokens, _cost(usage, raw), usage, units=_units(usage) or None)


def _tokens(usage: JsonObject, cached: int) -> TokenUsage:
    """OpenAI counts cached input within `prompt_tokens`, and reasoning within `completion_tokens`.

    Some count reasoning beside the completion; the total tells.
    """
    prompt, output = _count(usage, "prompt_tokens"), _count(usage, "completion_tokens")
    read = min(cached, prompt)
    written = min(_detail(usage, "prompt_tokens_details", "cache_write_tokens"), prompt - read)
    reasoning = _detail(usage, "completion_tokens_details", "reasoning_tokens")
    if reasoning and _count(usage, "total_tokens") == prompt + output + reasoning:
        output += reasoning
    return TokenUsage(
        uncached_input=prompt - read - written,
        cache_write=written,
        cache_read=read,
        output=output,
        reasoning=min(reasoning, output),
    )


def _units(usage: JsonObject) -> dict[Unit, int]:
    """Sound is counted within the prompt and within the completion."""
    counts = {
        Unit.INPUT_AUDIO: _detail(usage, "prompt_tokens_details", "audio_tokens"),
        Unit.OUTPUT_AUDIO: _detail(usage, "completion_tokens_details", "audio_tokens"),
    }
    return {unit: count for unit, count in counts.items() if count}


def _detail(usage: JsonObject, details: str, name: str) -> int:
    section = usage.get(details)
    return _count(section, name) if isinstance(section, dict) else 0


def _count(section: JsonObject, name: str) -> int:
    value: JsonValue = section.get(name)
    if isinstance(value, int | float) and not isinstance(value, bool) and value > 0:
        return int(value)
    return 0


def _cost(usage: JsonObject, raw: bytes) -> Nanodollars | None:
    """What the provider says that it charges."""
    if usage.get("cost"):
        return _dollars(raw)
    ticks = usage.get("cost_in_usd_ticks")
    return nanodollars(ticks / _TICKS_A_DOLLAR) if isinstance(ticks, int) and ticks > 0 else None


def _dollars(raw: bytes) -> Nanodollars | None:
    """OpenRouter's `usage.cost`: read again from the text, because a float is not money."""
    cost = json.loads(raw, parse_float=Decimal)["usage"]["cost"]
    if isinstance(cost, bool) or not isinstance(cost, int | Decimal) or cost < 0:
        return None
    return nanodollars(Decimal(cost))
