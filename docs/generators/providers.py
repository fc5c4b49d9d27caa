"""The table of provider families: made from what their tests run over, so every cell is a test that passes."""

import importlib
import json
from pathlib import Path
from typing import Final

from docs.generators.markdown import NOTICE, code, table
from shared.config.quirks import QUIRKS
from tests.dialects.families import FAMILIES, SHOWN_BY, Family, Feature

__all__ = ["page"]

_FEATURES: Final = Path(__file__).parents[2] / "tests" / "dialects" / "features"

_OPENING: Final = """\
# Providers

A caller speaks OpenAI's format and gets it back, whoever serves it. Each "yes" is a test over real HTTP against a
simulator of that API, which the provider's own client library reads without complaint (Together's alone is played by
its documents, not tried with its client); what a family does not offer is said in its cell. A request that asks for
something a family has no words for is not sent there: the deployment is left out of the plan, and where no other serves
the model, the caller is told which parameter it was. Nothing is left out silently; `drop` in the provider's section
names what may be. Tags and users (`metadata`, `user`, `safety_identifier`) are in the ledger, and sent where the API
has a place for them."""


_SERVERS: Final = """\
## Servers that speak OpenAI's API

They are OpenAI's dialect with quirks, which go by these names. What a section says under `quirks` goes before what is
known; a server that is not here is `dialect: openai` with quirks of its own. The thoughts of earlier turns
(`reasoning_content`, `thinking_blocks`) go back only to those who want them: elsewhere they are no part of a
conversation."""


def page() -> str:
    for module in sorted(_FEATURES.glob("test_*.py")):
        importlib.import_module(f"tests.dialects.features.{module.stem}")
    families = table(
        ("", *(family.title for family in FAMILIES)),
        [(feature, *(_cell(family, feature) for family in FAMILIES)) for feature in Feature],
    )
    dialects = table(("family", "`dialect`"), [(family.title, code(family.dialect)) for family in FAMILIES])
    tests = table(("feature", "shown by"), [(feature, _tests(feature)) for feature in Feature])
    servers = table(("`dialect`", "quirks"), [(code(name), _oddities(name)) for name in sorted(QUIRKS)])
    parts = (NOTICE, _OPENING, families, "## In the configuration", dialects, _SERVERS, servers, "## Tests", tests)
    return "\n\n".join(parts) + "\n"


def _oddities(server: str) -> str:
    """What is not as OpenAI has it, as one would write it under `quirks`."""
    odd = QUIRKS[server].model_dump(mode="json", exclude_defaults=True)
    return ", ".join(code(f"{name}: {_written(value)}") for name, value in odd.items())


def _written(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _cell(family: Family, feature: Feature) -> str:
    return family.lacks.get(feature, "yes")


def _tests(feature: Feature) -> str:
    return ", ".join(
        f"[{name}](../tests/dialects/features/{module})"
        for module, _, name in (test.partition("::") for test in SHOWN_BY[feature])
    )
