"""Where a configuration lets nobody in, that is told at once, and not by refusals one after the other."""

from typing import cast

import pytest
from structlog.testing import capture_logs

from services.ingress.adapters.directory_watch import DirectoryBell
from services.ingress.incidents import Incidents
from services.ingress.settings import IngressSettings
from services.ingress.wiring.directory import Directory, directory_of
from shared.config.keys import hash_key, new_key
from shared.config.schema import Config

WITH_A_KEY = {"tenants": {"acme": {"keys": {"web": {"hash": hash_key(new_key("web"))}}}}}
WITH_AN_ADMINISTRATOR = {"administrators": {"ops": {"hash": hash_key(new_key("ops"))}}}


def directory(config: Config) -> Directory:
    settings = IngressSettings(kafka_url="k:1", redis_url="redis://r", postgres_url="postgresql://p")
    nobody_is_asked = (cast("DirectoryBell", None), cast("Incidents", None))
    return directory_of(None, None, *nobody_is_asked, settings, config)


@pytest.mark.parametrize("sections", [{}, {"tenants": {"acme": {}}}])
def test_a_configuration_that_lets_nobody_in_is_told(sections: dict[str, object]) -> None:
    with capture_logs() as told:
        directory(Config.model_validate(sections))
    assert [entry["event"] for entry in told] == ["configuration_without_keys"]


@pytest.mark.parametrize("sections", [WITH_A_KEY, WITH_AN_ADMINISTRATOR])
def test_one_key_is_enough(sections: dict[str, object]) -> None:
    with capture_logs() as told:
        directory(Config.model_validate(sections))
    assert told == []


def test_so_is_a_change_that_takes_the_last_one_away() -> None:
    held = directory(Config.model_validate(WITH_A_KEY))
    with capture_logs() as told:
        held.go_by(Config())
    assert [entry["event"] for entry in told] == ["configuration_without_keys"]
