"""What happens in a call: how much is said, how fast, and what goes wrong. Read from YAML, a header, or a model's name.

Texts of the compact form look like `tokens=50..200;gap=0.02;cut_after=10;first=1`; JSON is taken as well.
"""

import json
from collections.abc import Mapping
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from simulator.faults import AnyFault, Count, fault_keys
from simulator.span import Seconds, Span, Tokens, fixed

__all__ = ["FinishReason", "Script", "parse_overrides"]

FinishReason = Literal["stop", "length", "tool_calls", "content_filter", "refusal"]

_FAULT_KEYS = fault_keys()


class Script(BaseModel):
    """One model's behaviour. A fault may be written flat (`cut_after: 5`) or, when there are several, under `faults`;
    the first one that strikes a call is the one it gets."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    tokens: Tokens | None = None
    """Length of the text of each choice; without it 24, or none where tools are called."""
    opening: Seconds = fixed(0)
    """From the request to the status line and the first, still empty event."""
    first_token: Seconds = fixed(0)
    """From the opening to the first token."""
    gap: Seconds = fixed(0)
    """Between two tokens."""
    tools: Annotated[int, Field(ge=0, le=128)] = 0
    """How many tools are called, if the request offers any."""
    tool_order: Literal["sequential", "interleaved"] = "sequential"
    finish: FinishReason | None = None
    """Instead of the reason that follows from what happened."""
    usage: Literal["asked", "always", "never", "with_finish"] = "asked"
    """When a stream reports usage: if asked to, always, never, or (as some providers) on the finishing event."""
    thoughts: Tokens | None = None
    """Length of the reasoning that is shown before the text."""
    refusal: bool = False
    """Whether the model declines, in so many words as it would have had."""
    omit: Literal["nothing", "finish", "end", "both"] = "nothing"
    """What a stream leaves out though nothing went wrong: its `finish_reason`, its end mark."""
    cached_tokens: Count = 0
    cache_written_tokens: Count = 0
    reasoning_tokens: Count = 0
    """Thought but not shown; counted in the output of the usage, and against the caller's maximum."""
    split: Annotated[int, Field(ge=0, le=64)] = 0
    """Each event is cut at so many odd places and sent in as many packets more."""
    drip_bytes: Annotated[int, Field(ge=1)] | None = None
    """The body trickles in packets of so many bytes, `drip_gap` apart."""
    drip_gap: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.01
    faults: tuple[AnyFault, ...] = ()

    @model_validator(mode="before")
    @classmethod
    def _gather_flat_fault(cls, data: object) -> object:
        if not isinstance(data, dict):
            return data
        flat = {key: value for key, value in data.items() if key in _FAULT_KEYS}
        if not flat:
            return data
        if "faults" in data:
            raise ValueError(f"write the fault under faults, or flat, but not both: {', '.join(flat)}")
        return {key: value for key, value in data.items() if key not in flat} | {"faults": [flat]}

    def revised(self, overrides: Mapping[str, object]) -> Self:
        """This script with some of its fields replaced; a flat fault replaces all faults. Raises ValidationError."""
        kept = {name: getattr(self, name) for name in self.model_fields_set}
        if any(key in _FAULT_KEYS for key in overrides):
            kept.pop("faults", None)
        return type(self).model_validate(kept | dict(overrides))

    def text_length(self, tools: int) -> Span:
        """How much is said beside so many tool calls."""
        if self.tokens is not None:
            return self.tokens
        return fixed(0 if tools else 24)


def parse_overrides(text: str) -> dict[str, object]:
    """The fields named in a header, a model's suffix or `metadata.sim`. Raises ValueError."""
    if text.lstrip().startswith("{"):
        return dict(json.loads(text))
    overrides: dict[str, object] = {}
    for pair in filter(None, (part.strip() for part in text.split(";"))):
        key, equals, value = pair.partition("=")
        if not equals:
            raise ValueError(f"expected key=value;key=value, got {pair!r}")
        overrides[key.strip()] = value.strip()
    return overrides
