"""The dialects that can be configured are those that exist."""

import pytest

from services.router_worker.providers.known import KNOWN
from services.router_worker.providers.registry import DIALECTS
from shared.config import ConfigError, parse_config
from tests.dialects.recorded import RECORDINGS


@pytest.mark.parametrize(("key", "word"), [("dialect", "opnai"), ("auth", "kye")])
def test_a_dialect_that_does_not_exist_cannot_be_configured(key: str, word: str) -> None:
    text = f"providers:\n  p: {{base_url: 'http://p', {key}: {word}}}\n"
    with pytest.raises(ConfigError, match=word):
        parse_config(text, {}, known=KNOWN)


def test_every_dialect_is_held_to_recordings() -> None:
    assert {recording.parent.name for recording in RECORDINGS} == set(DIALECTS)
