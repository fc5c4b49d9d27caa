"""What does the run stand on? Two simulated providers, one of them unreliable, and a gateway that uses both."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

import yaml

from shared.config.keys import hash_key
from shared.topics import SUBMIT

__all__ = ["PROVIDERS", "STEADY", "UNRELIABLE", "ProviderPlace", "gateway_text", "simulator_text"]

UNRELIABLE: Final = "tidewater"
STEADY: Final = "stonebridge"
PROVIDERS: Final = (UNRELIABLE, STEADY)

_TENANT: Final = "demo"
_KEY: Final = "visitor"

_PACE: Final = {"tokens": [40, 90], "first_token": [0.12, 0.3], "gap": [0.015, 0.03]}
"""About a small hosted model's: an answer takes about two seconds, so that there is something running to be killed."""

_FAULTS: Final = (
    {"cut_after": 12, "every": 6},
    {"status": 500, "every": 4},
    {"status": 429, "retry_after": "1", "every": 5},
)
"""Counted per model, so that what fails does not hang on the order in which calls arrive."""

_OWN_PRICE: Final = {"input": "0.8375", "cache_read": "0.2375", "output": "3.2125"}
"""Dollars per million, chosen so that single tokens cost fractions of a nanodollar and rounding is put to the test."""


@dataclass(frozen=True, slots=True)
class ProviderPlace:
    port: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


def simulator_text(provider: str, seed: int) -> str:
    """What a provider does. It counts a prompt as the gateway does, so that even a call cut short can be compared."""
    script: dict[str, object] = dict(_PACE)
    thinking = {**script, "reasoning_tokens": 24}
    steady = {**script, "cached_tokens": 16}
    return json.dumps(
        {
            "seed": seed,
            "count_prompts": "o200k_base",
            "default": {**script, "faults": _FAULTS} if provider == UNRELIABLE else steady,
            "models": {"o4-mini": thinking},
        }
    )


def gateway_text(models: Iterable[str], providers: Mapping[str, ProviderPlace], key: str) -> str:
    """The `sluice.yaml` of the run: everything a real one says, in small."""
    return yaml.safe_dump(
        {
            "tenants": {_TENANT: {"keys": {_KEY: {"hash": hash_key(key)}}}},
            "submit_topics": {SUBMIT.name: {"tenant": _TENANT, "caller": _KEY}},
            "providers": {
                UNRELIABLE: {"base_url": f"{providers[UNRELIABLE].url}/v1", "price_as": "openai"},
                STEADY: {"base_url": f"{providers[STEADY].url}/v1"},
            },
            "models": {model: _model(number) for number, model in enumerate(sorted(set(models)))},
            "prices": [{"provider": STEADY, "model": "*", **_OWN_PRICE}],
            "retries": {"per_deployment": 1, "base_delay_seconds": 0.1, "rounds": 4},
            # Nothing here may end by the clock on a machine that is busy with something else.
            "timeouts": {"connect_seconds": 30, "first_token_seconds": 60, "between_tokens_seconds": 60},
        },
        sort_keys=False,
    )


def _model(number: int) -> dict[str, object]:
    deployments = [{"provider": provider} for provider in PROVIDERS]
    return {"deployments": deployments, "strategy": "round-robin" if number % 2 else "priority"}


def new_visitor_key() -> str:
    from shared.config.keys import new_key

    return new_key(_KEY)
