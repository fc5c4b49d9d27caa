"""The environment of a process."""

import pytest

from shared.errors import OperatorError
from shared.settings import CommonSettings, read_settings


def test_without_an_environment_everything_is_on_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("KAFKA_URL", "REDIS_URL", "POSTGRES_URL", "SLUICE_LOG_LEVEL"):
        monkeypatch.delenv(name, raising=False)

    settings = read_settings(CommonSettings)

    assert (settings.kafka_url, settings.log_level) == ("127.0.0.1:9092", "info")


def test_an_empty_variable_is_no_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KAFKA_URL", "")

    assert read_settings(CommonSettings).kafka_url == "127.0.0.1:9092"


def test_the_log_level_is_read_in_any_case(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLUICE_LOG_LEVEL", "WARNING")

    assert read_settings(CommonSettings).log_level == "warning"


def test_a_wrong_value_is_told_by_the_name_of_its_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLUICE_LOG_LEVEL", "loud")

    with pytest.raises(OperatorError, match=r"^environment: SLUICE_LOG_LEVEL: Input should be 'debug', 'info'"):
        read_settings(CommonSettings)
