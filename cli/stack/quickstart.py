"""What does `sluice up` run with when there is no `sluice.yaml`? A simulated provider, one tenant, two keys."""

import json
from pathlib import Path
from typing import Final

from cli.stack.folder import StackFolder
from cli.stack.state import write_private
from shared.config.keys import KeyKind, hash_key, new_key
from shared.topics import SUBMIT

__all__ = ["KEY_ID", "TENANT", "config_text", "lasting_admin_key", "lasting_key", "simulator_text"]

TENANT: Final = "default"
KEY_ID: Final = "quickstart"

_MODELS: Final = (
    "gpt-4o",
    "gpt-4o-mini",
    "gpt-4.1",
    "gpt-4.1-mini",
    "gpt-5",
    "gpt-5-mini",
    "o4-mini",
    "text-embedding-3-small",
)

_SIMULATED: Final = {"default": {"tokens": [40, 120], "first_token": [0.15, 0.4], "gap": 0.02}}
"""About the pace of a small hosted model, so that a stream is seen streaming."""


def lasting_key(folder: StackFolder) -> str:
    """The key of this folder, made at the first start: what was pasted yesterday works today."""
    return _lasting(folder.key, KeyKind.CALLER)


def lasting_admin_key(folder: StackFolder) -> str:
    return _lasting(folder.admin_key, KeyKind.ADMINISTRATOR)


def _lasting(place: Path, kind: KeyKind) -> str:
    if place.exists():
        return place.read_text(encoding="utf-8").strip()
    key = new_key(KEY_ID, kind)
    write_private(place, key + "\n")
    return key


def config_text(key: str, admin_key: str, simulator_port: int) -> str:
    models = "".join(f"  {model}: {{deployments: [{{provider: simulator}}]}}\n" for model in _MODELS)
    return f"""\
# Written by `sluice up`, because there is no sluice.yaml here: a simulated provider, one tenant, one key.
# It is written anew at every start. Copy it to ./sluice.yaml to make it yours; that one is then used.
tenants:
  {TENANT}:
    keys:
      {KEY_ID}: {{hash: "{hash_key(key)}"}}

administrators:
  {KEY_ID}: {{hash: "{hash_key(admin_key)}"}}

submit_topics:
  {SUBMIT.name}: {{tenant: {TENANT}, caller: {KEY_ID}}}

providers:
  simulator:
    base_url: http://127.0.0.1:{simulator_port}/v1
    api_key: simulated
    price_as: openai

models:
{models}"""


def simulator_text() -> str:
    return json.dumps(_SIMULATED) + "\n"
