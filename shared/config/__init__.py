"""`sluice.yaml`: what it may say, how it is read, what is wrong with it, how it is shown."""

from shared.config.keys import KeyKind, hash_key, key_matches, new_key, public_id
from shared.config.loading import load_config, parse_config
from shared.config.problems import ConfigError, Problem
from shared.config.schema import Config
from shared.config.showing import json_schema, shown

__all__ = [
    "Config",
    "ConfigError",
    "KeyKind",
    "Problem",
    "hash_key",
    "json_schema",
    "key_matches",
    "load_config",
    "new_key",
    "parse_config",
    "public_id",
    "shown",
]
