"""How a simulator is set up: models and their scripts, quotas, keys. Read from YAML or JSON, or built in Python."""

from pathlib import Path
from typing import Annotated

import yaml
from pydantic import BaseModel, ConfigDict, Field

from shared.tokens import EncodingName
from simulator.quota import Quota
from simulator.script import Script

__all__ = ["Config", "Quota", "load_config"]


class Config(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    seed: int = 0
    models: dict[str, Script] = {}
    """What each model does. Without any, every model name is served."""
    default: Script | None = None
    """What a model does that is not listed. Without it such a model is unknown, unless none is listed."""
    quota: Quota | None = None
    """Limits of each API key on each model."""
    quotas: dict[str, Quota] = {}
    """The same for single models, instead of `quota`."""
    api_keys: tuple[str, ...] = ()
    """Without any, every caller is served."""
    count_prompts: EncodingName | None = None
    """The vocabulary to count prompts with, as the gateway does. Without it: a token per 4 bytes."""
    keep_records: Annotated[int, Field(ge=1)] = 100_000
    """Ended calls that can be asked for; totals and the log file are complete."""
    keep_requests: Annotated[int, Field(ge=1)] = 256
    """Requests that can be asked for, headers and body."""
    max_body_bytes: Annotated[int, Field(ge=1)] = 64 * 1024 * 1024


def load_config(path: Path) -> Config:
    """Raises OSError, yaml.YAMLError, or pydantic's ValidationError naming the field. JSON is YAML."""
    written = yaml.safe_load(path.read_text())
    return Config.model_validate({} if written is None else written)
