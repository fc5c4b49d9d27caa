"""The dialects that can be configured are those that exist."""

from typing import get_args

from services.router_worker.providers.registry import DIALECTS
from shared.config.schema import Provider
from tests.dialects.recorded import RECORDINGS


def test_every_dialect_that_can_be_configured_exists() -> None:
    assert set(DIALECTS) == set(get_args(Provider.model_fields["dialect"].annotation))


def test_every_dialect_is_held_to_recordings() -> None:
    assert {recording.parent.name for recording in RECORDINGS} == set(DIALECTS)
