"""What every process takes from its environment. A service adds its own in its `settings.py`; nothing else reads it."""

from pathlib import Path
from typing import Annotated, Literal, TypeVar

from pydantic import AfterValidator, BeforeValidator, Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict
from pydantic_settings.exceptions import SettingsError

from shared.errors import OperatorError

__all__ = ["CommonSettings", "LogLevel", "read_settings"]

LogLevel = Literal["debug", "info", "warning", "error"]

S = TypeVar("S", bound=BaseSettings)


def _readable(redis_url: str) -> str:
    from shared.redis import parse_address  # late: not everybody who reads settings talks to Redis

    parse_address(redis_url)
    return redis_url


class CommonSettings(BaseSettings):
    model_config = SettingsConfigDict(frozen=True, extra="ignore", populate_by_name=True, env_ignore_empty=True)

    kafka_url: str = Field("127.0.0.1:9092", validation_alias="KAFKA_URL")
    """`host:port[,host:port]`."""
    redis_url: Annotated[str, AfterValidator(_readable)] = Field(
        "redis://127.0.0.1:6379/0", validation_alias="REDIS_URL"
    )
    """`redis://[user:password@]host:port/number`, or `rediss://` for TLS.

    `redis+sentinel://host:port,host:port/service/number` asks Sentinels for the primary, and
    `redis+cluster://host:port,host:port` is a Cluster; `rediss+…` again is TLS. Options such as
    `?ssl_ca_certs=/etc/ca.pem` go to the connections.
    """
    postgres_url: str = Field("postgresql://sluice:sluice@127.0.0.1:5432/sluice", validation_alias="POSTGRES_URL")
    """`postgresql://user:password@host:port/database`."""
    config_path: Path = Field(Path("sluice.yaml"), validation_alias="SLUICE_CONFIG")
    """The configuration, the same for all processes."""
    namespace: str = Field("sluice", validation_alias="SLUICE_NAMESPACE")
    """Prefix of Redis keys and consumer groups, so that several stacks can share servers."""
    topic_prefix: str = Field("", validation_alias="SLUICE_TOPIC_PREFIX")
    """Goes before the name of every topic, for the same reason."""
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
