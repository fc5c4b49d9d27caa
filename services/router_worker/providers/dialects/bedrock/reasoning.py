"""How much is a model to think? Converse has a word for it since 2026, but each maker's models had their own before.

docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_OutputConfig; …/userguide/claude-messages-extended-thinking;
docs.aws.amazon.com/nova/latest/nova2-userguide/using-converse-api.
"""

from collections.abc import Mapping
from typing import Final, NamedTuple

from services.router_worker.providers.chat import Chat, lack
from services.router_worker.providers.dialects.anthropic.models import Claude
from services.router_worker.providers.dialects.anthropic.thinking import thinking
from shared.contracts import JsonObject

__all__ = ["Reasoning", "reasoning"]

_EFFORTS: Final[Mapping[str, str]] = {
    "minimal": "low",
    "low": "low",
    "medium": "medium",
    "high": "high",
    "xhigh": "xhigh",
    "max": "max",
}


class Reasoning(NamedTuple):
    fields: JsonObject
    """For `additionalModelRequestFields`."""
    output_config: JsonObject


def reasoning(chat: Chat, model: str, claude: Claude, most_output: int) -> Reasoning:
    name, effort = model.lower(), chat.reasoning_effort
    if "claude" in name:
        return Reasoning(thinking(chat, claude, most_output, {}), {})
    if chat.extras.get("thinking") is not None:
        lack("thinking", "is a word of Claude alone")
    if effort is None:
        return Reasoning({}, {})
    if "nova" in name and effort == "none":
        return Reasoning({"reasoningConfig": {"type": "disabled"}}, {})
    if effort not in _EFFORTS:
        lack("reasoning_effort", f"is none of {', '.join(_EFFORTS)}")
    if "nova" in name:
        config: JsonObject = {"type": "enabled", "maxReasoningEffort": _at_most_high(effort)}
        return Reasoning({"reasoningConfig": config}, {})
    if "gpt-oss" in name:
        return Reasoning({"reasoning_effort": _at_most_high(effort)}, {})
    return Reasoning({}, {"effort": _EFFORTS[effort]})


def _at_most_high(effort: str) -> str:
    if effort in ("xhigh", "max"):
        lack("reasoning_effort", "goes up to high with this model")
    return _EFFORTS[effort]
