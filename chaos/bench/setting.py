"""Who is served what in a run? The models, how their provider plays them, and the `sluice.yaml` of it all."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import yaml

from chaos.models import Model
from shared.config.keys import hash_key, new_key
from shared.topics import SUBMIT

__all__ = ["LIFE_VARIABLE", "PROVIDERS", "Setting", "provider_port_variable", "write_setting"]

PROVIDERS: Final = ("alpha", "beta")
"""Two accounts at the same simulated provider, each reached by a way of its own."""

LIFE_VARIABLE: Final = "CHAOS_LIFE"
"""What a process calls itself at the provider: each boot has a key of its own, so that every call names its caller."""


_SCRIPTS: Final[Mapping[str, Mapping[str, object]]] = {
    Model.BRISK: {"tokens": [15, 40], "first_token": [0.02, 0.1], "gap": 0.02},
    Model.STORY: {"tokens": [100, 200], "first_token": [0.1, 0.4], "gap": 0.03},
    Model.EPIC: {"tokens": [450, 600], "first_token": [0.1, 0.4], "gap": 0.04},
    Model.SHAKY: {
        "tokens": [30, 60],
        "first_token": [0.05, 0.2],
        "gap": 0.03,
        "faults": [
            {"status": 500, "probability": 0.1},
            {"status": 429, "retry_after": "1", "probability": 0.1},
            {"hang_up": "reset", "probability": 0.05},
            {"cut_after": 15, "probability": 0.1},
            {"cut_after": 20, "cut_by": "reset", "probability": 0.05},
            {"stall_after": 10, "probability": 0.05},
            {"malformed_after": 8, "probability": 0.1},
            {"error_after": 12, "probability": 0.1},
        ],
    },
    Model.WRONG: {"status": 400},
    Model.LATE: {"tokens": 10, "first_token": 12.0},
}

_TIMES: Final = {"connect_seconds": 2, "first_token_seconds": 6, "between_tokens_seconds": 4, "total_seconds": 60}
_LONGEST: Final = {Model.BRISK: 8, Model.SHAKY: 8, Model.STORY: 20, Model.EPIC: 50}
"""Seconds. A call that is not streamed is found silent by its whole length alone, and must leave time for another."""

_PRICE: Final = {"input": "0.8375", "output": "3.2125"}


@dataclass(frozen=True, slots=True)
class Setting:
    config: Path
    simulator: Path
    keys: tuple[str, ...]
    """API keys of the tenants."""
    submit_topic: str


def provider_port_variable(provider: str) -> str:
    return f"CHAOS_{provider.upper()}_PORT"


def write_setting(folder: Path, seed: int, tenants: int) -> Setting:
    names = [f"tenant-{number}" for number in range(1, tenants + 1)]
    keys = {name: new_key(name) for name in names}
    config = folder / "sluice.yaml"
    config.write_text(_gateway(keys))
    config.chmod(0o600)
    simulator = folder / "simulator.json"
    simulator.write_text(json.dumps({"seed": seed, "count_prompts": "o200k_base", "models": _SCRIPTS}))
    return Setting(config, simulator, tuple(keys.values()), SUBMIT.name)


def _gateway(keys: Mapping[str, str]) -> str:
    first = next(iter(keys))
    return yaml.safe_dump(
        {
            "tenants": {name: {"keys": {name: {"hash": hash_key(key)}}} for name, key in keys.items()},
            "submit_topics": {SUBMIT.name: {"tenant": first, "caller": first}},
            "providers": {
                name: {
                    "base_url": f"http://127.0.0.1:${{{provider_port_variable(name)}}}/v1",
                    "api_key": f"${{{LIFE_VARIABLE}}}",
                }
                for name in PROVIDERS
            },
            "models": {
                model: {"deployments": [{"provider": name} for name in PROVIDERS], "strategy": "round-robin"}
                | {"timeouts": _TIMES | {"total_seconds": _LONGEST.get(model, _TIMES["total_seconds"])}}
                for model in _SCRIPTS
            },
            "prices": [{"provider": name, "model": "*", **_PRICE} for name in PROVIDERS],
            # A link to a provider is away for seconds: nobody gives up before his deadline.
            "retries": {"per_deployment": 1, "base_delay_seconds": 0.1, "max_delay_seconds": 2, "rounds": 100},
            # The shaky one fails more often than not, at both providers, and must succeed in time all the same.
            "breaker": {"failures_in_a_row": 8, "failure_rate": None, "open_seconds": 1, "most_open_seconds": 2},
            "timeouts": _TIMES,
        },
        sort_keys=False,
    )
