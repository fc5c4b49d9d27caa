"""What every process takes from its environment. A service adds its own in its `settings.py`; nothing else reads it."""

from pathlib import Path
from typing import Annotated, Literal, Self, TypeVar

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, ValidationError, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict
from pydantic_settings.exceptions import SettingsError

from shared.errors import OperatorError
from shared.kafka_access import KafkaAccess, Mechanism, Protocol

__all__ = ["CommonSettings", "KafkaSettings", "LogLevel", "read_settings"]

LogLevel = Literal["debug", "info", "warning", "error"]

S = TypeVar("S", bound=BaseSettings)


def _readable(redis_url: str) -> str:
    from shared.redis import parse_address  # late: not everybody who reads settings talks to Redis

    parse_address(redis_url)
    return redis_url


def _of_libpq(postgres_url: str) -> str:
    if not postgres_url.startswith(("postgresql://", "postgres://")):
        raise ValueError("expected postgresql://user:password@host:port/database")
    return postgres_url


class KafkaSettings(BaseSettings):
    model_config = SettingsConfigDict(frozen=True, extra="ignore", populate_by_name=True, env_ignore_empty=True)

    kafka_url: str = Field("127.0.0.1:9092", validation_alias="KAFKA_URL")
    """`host:port[,host:port]`."""
    kafka_security_protocol: Annotated[Protocol, BeforeValidator(str.upper)] = Field(
        "PLAINTEXT", validation_alias="KAFKA_SECURITY_PROTOCOL"
    )
    """`PLAINTEXT`, `SSL`, `SASL_PLAINTEXT` or `SASL_SSL`."""
    kafka_sasl_mechanism: Annotated[Mechanism, BeforeValidator(str.upper)] = Field(
        "SCRAM-SHA-512", validation_alias="KAFKA_SASL_MECHANISM"
    )
    """`PLAIN`, `SCRAM-SHA-256` or `SCRAM-SHA-512`."""
    kafka_sasl_username: str = Field("", validation_alias="KAFKA_SASL_USERNAME")
    """Who this process is to the brokers, where the protocol is one of SASL."""
    kafka_sasl_password: SecretStr = Field(SecretStr(""), validation_alias="KAFKA_SASL_PASSWORD")
    """Its password."""
    kafka_ssl_cafile: Path | None = Field(None, validation_alias="KAFKA_SSL_CAFILE")
    """Certificates to trust, as PEM; the system's when left out."""
    kafka_ssl_certfile: Path | None = Field(None, validation_alias="KAFKA_SSL_CERTFILE")
    """This process's own certificate, as PEM, where the brokers ask for one."""
    kafka_ssl_keyfile: Path | None = Field(None, validation_alias="KAFKA_SSL_KEYFILE")
    """Its key; left out when it stands in the certificate's file."""

    @property
    def kafka(self) -> KafkaAccess:
        """All of this in one."""
        return KafkaAccess(
            url=self.kafka_url,
            protocol=self.kafka_security_protocol,
            mechanism=self.kafka_sasl_mechanism,
            username=self.kafka_sasl_username,
            password=self.kafka_sasl_password.get_secret_value(),
            ca_file=self.kafka_ssl_cafile,
            cert_file=self.kafka_ssl_certfile,
            key_file=self.kafka_ssl_keyfile,
        )

    @model_validator(mode="after")
    def _names_somebody(self) -> Self:
        if self.kafka_security_protocol.startswith("SASL_") and not self.kafka_sasl_username:
            raise ValueError(f"{self.kafka_security_protocol} needs KAFKA_SASL_USERNAME and KAFKA_SASL_PASSWORD")
        return self


class CommonSettings(KafkaSettings):
    redis_url: Annotated[str, AfterValidator(_readable)] = Field(
        "redis://127.0.0.1:6379/0", validation_alias="REDIS_URL"
    )
    """`redis://[user:password@]host:port/number`, or `rediss://` for TLS.

    `redis+sentinel://host:port,host:port/service/number` asks Sentinels for the primary, and
    `redis+cluster://host:port,host:port` is a Cluster; `rediss+…` again is TLS. Options such as
    `?ssl_ca_certs=/etc/ca.pem` go to the connections.
    """
    postgres_url: Annotated[str, AfterValidator(_of_libpq)] = Field(
        "postgresql://sluice:sluice@127.0.0.1:5432/sluice", validation_alias="POSTGRES_URL"
    )
    """`postgresql://user:password@host:port/database`, with options such as `?sslmode=verify-full&sslrootcert=ca.pem`.

    Of several hosts, `host:port,host:port`, the first that answers is taken; `target_session_attrs=read-write` takes
    the primary.
    """
    blobs_url: str = Field(".sluice/blobs", validation_alias="SLUICE_BLOBS_URL")
    """Where requests and answers go that are too large for a record: a directory that all processes share, or
    `s3://bucket/prefix` with the credentials in the usual variables (`AWS_ACCESS_KEY_ID`, `AWS_ENDPOINT_URL` …).
    """
    config_path: Path = Field(Path("sluice.yaml"), validation_alias="SLUICE_CONFIG")
    """The configuration, the same for all processes."""
    namespace: str = Field("sluice", validation_alias="SLUICE_NAMESPACE")
    """Prefix of Redis keys and consumer groups, so that several stacks can share servers."""
    topic_prefix: str = Field("", validation_alias="SLUICE_TOPIC_PREFIX")
    """Goes before the name of every topic, for the same reason."""
    dead_letters_most: int = Field(100, gt=0, validation_alias="SLUICE_DEAD_LETTERS_MOST")
    """So many records of a kind are set aside within ten minutes; then nothing of that kind is taken any more."""
    log_level: Annotated[LogLevel, BeforeValidator(str.lower)] = Field("info", validation_alias="SLUICE_LOG_LEVEL")
    """`debug`, `info`, `warning` or `error`."""


def read_settings(kind: type[S]) -> S:
    """Take the settings from the environment. Raises OperatorError, which names each variable and shows no value."""
    try:
        return kind()
    except ValidationError as error:
        details = error.errors(include_url=False, include_input=False)
        lines = (f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in details)
        raise OperatorError("\n".join(f"environment: {line}" for line in lines)) from None
    except SettingsError as error:
        raise OperatorError(f"environment: {error}") from error
