"""How Kafka is reached, from the environment to what each client is made with."""

import pytest
from faststream.kafka.security import parse_security

from shared.errors import OperatorError
from shared.kafka_access import KafkaAccess
from shared.settings import KafkaSettings, read_settings

SECURE = {
    "KAFKA_SECURITY_PROTOCOL": "sasl_ssl",
    "KAFKA_SASL_USERNAME": "sluice",
    "KAFKA_SASL_PASSWORD": "hunter2",
}


@pytest.fixture(autouse=True)
def _nothing_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for field in KafkaSettings.model_fields.values():
        monkeypatch.delenv(str(field.validation_alias), raising=False)


def given(monkeypatch: pytest.MonkeyPatch, **variables: str) -> KafkaSettings:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    return read_settings(KafkaSettings)


def test_without_a_word_nothing_is_secured() -> None:
    access = read_settings(KafkaSettings).kafka
    assert access.client() == {"bootstrap_servers": "127.0.0.1:9092", "security_protocol": "PLAINTEXT"}
    assert access.security() is None


def test_scram_over_tls_is_what_both_libraries_get(monkeypatch: pytest.MonkeyPatch) -> None:
    access = given(monkeypatch, **SECURE).kafka
    client, broker = access.client(), parse_security(access.security())
    for options in (client, broker):
        assert options["security_protocol"] == "SASL_SSL"
        assert options["sasl_mechanism"] == "SCRAM-SHA-512"
        assert (options["sasl_plain_username"], options["sasl_plain_password"]) == ("sluice", "hunter2")
        assert options["ssl_context"].check_hostname


@pytest.mark.parametrize("protocol", ["SSL", "SASL_PLAINTEXT", "SASL_SSL"])
@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"])
def test_both_libraries_are_told_the_same(protocol: str, mechanism: str) -> None:
    access = KafkaAccess("k:1", protocol=protocol, mechanism=mechanism, username="u", password="p")  # type: ignore[arg-type]
    broker = parse_security(access.security())
    assert {name: value for name, value in broker.items() if name != "ssl_context"} == {
        name: value for name, value in access.client().items() if name not in ("ssl_context", "bootstrap_servers")
    }


def test_sasl_without_a_name_is_an_error_that_says_what_to_set(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(OperatorError, match="KAFKA_SASL_USERNAME"):
        given(monkeypatch, KAFKA_SECURITY_PROTOCOL="SASL_SSL", KAFKA_SASL_PASSWORD="hunter2")


def test_certificates_that_cannot_be_read_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    access = given(monkeypatch, **SECURE, KAFKA_SSL_CAFILE="/nowhere/ca.pem").kafka
    with pytest.raises(OperatorError, match=r"/nowhere/ca\.pem"):
        access.client()


def test_no_representation_shows_the_password(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = given(monkeypatch, **SECURE)
    assert "hunter2" not in f"{settings!r} {settings.kafka!r} {settings.kafka}"
