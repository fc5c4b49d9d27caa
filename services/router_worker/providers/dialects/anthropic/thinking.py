"""How much is Claude to think? OpenAI's `reasoning_effort`, as each generation of models wants to be told."""

from collections.abc import Mapping
from typing import Final, TypeVar

from services.router_worker.providers.chat import Chat, lack
from services.router_worker.providers.dialects.anthropic.models import Claude
from shared.contracts import JsonObject

__all__ = ["thinking"]

_EFFORTS: Final[Mapping[str, str]] = {
    "minimal": "low",
    "low": "low",
    "medium": "medium",
    "high": "high",
    "xhigh": "xhigh",
    "max": "max",
}

_BUDGETS: Final[Mapping[str, int]] = {"minimal": 1_024, "low": 1_024, "medium": 4_096, "high": 16_384, "xhigh": 32_768}
"""Tokens, for models that do not decide themselves. 1,024 is the least they take."""

_LEAST_BUDGET: Final = 1_024


def thinking(chat: Chat, claude: Claude, most_output: int, form: JsonObject) -> JsonObject:
    """`thinking` and `output_config`; `form` is what else stands in the latter."""
    effort = chat.reasoning_effort
    config = _own(chat)
    if config is None and effort is not None:
        config = _by_effort(effort, claude, most_output)
    elif effort is not None and not claude.adaptive:
        lack("reasoning_effort", "cannot stand beside `thinking` with this Claude")
    if claude.adaptive and effort not in (None, "none"):
        form = {**form, "effort": _known(effort or "", _EFFORTS)}
    if config is not None and config.get("type") in ("enabled", "adaptive"):
        _check_company(chat)
    said: JsonObject = {} if config is None else {"thinking": config}
    return {**said, "output_config": form} if form else said


def _own(chat: Chat) -> JsonObject | None:
    """As Anthropic describes it, for callers who know whom they talk to."""
    own = chat.extras.get("thinking")
    if own is not None and not isinstance(own, dict):
        lack("thinking", "has to be an object, as Anthropic describes it")
    return own


def _by_effort(effort: str, claude: Claude, most_output: int) -> JsonObject:
    if effort == "none":
        return {"type": "disabled"}
    if claude.adaptive:
        return {"type": "adaptive", "display": "summarized"}
    return {"type": "enabled", "budget_tokens": _budget(_known(effort, _BUDGETS), most_output)}


Known = TypeVar("Known", str, int)


def _known(effort: str, efforts: Mapping[str, Known]) -> Known:
    if effort not in efforts:
        lack("reasoning_effort", f"is none of none, {', '.join(efforts)}")
    return efforts[effort]


def _budget(wanted: int, most_output: int) -> int:
    """Thoughts count as output, and something has to be left to say."""
    if most_output <= _LEAST_BUDGET:
        lack("reasoning_effort", f"leaves no room for an answer under a maximum of {most_output} tokens")
    return max(_LEAST_BUDGET, min(wanted, most_output // 2))


def _check_company(chat: Chat) -> None:
    """…/build-with-claude/extended-thinking, feature compatibility."""
    if chat.temperature not in (None, 1):
        lack("temperature", "cannot be chosen while Claude thinks")
    if chat.tool_choice not in (None, "auto", "none"):
        lack("tool_choice", "cannot be forced while Claude thinks")
