"""The table is whole: every family has a place for every feature, and every feature has tests."""

import importlib
from pathlib import Path

from services.router_worker.providers.registry import DIALECTS
from tests.dialects.families import FAMILIES, SHOWN_BY, Feature


def test_every_feature_is_shown_by_tests() -> None:
    for module in Path(__file__).parent.glob("test_*.py"):
        importlib.import_module(f"tests.dialects.features.{module.stem}")
    assert set(SHOWN_BY) == set(Feature)


def test_every_family_in_the_table_can_be_configured() -> None:
    assert {family.dialect for family in FAMILIES} <= set(DIALECTS)


def test_what_a_family_lacks_is_said_in_words() -> None:
    assert all(why for family in FAMILIES for why in family.lacks.values())
