"""What every process takes from its environment. A service adds its own in its `settings.py`; nothing else reads it."""

from pathlib import Path

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

__all__ = ["CommonSettings"]


class CommonSettings(BaseSettings):
    model_config = SettingsConfigDict(frozen=True, extra="ignore", populate_by_name=True)

    kafka_url: str = Field("127.0.0.1:9092", validation_alias="KAFKA_URL")
    """`host:port[,host:port]`."""
    redis_url: str = Field("redis://127.0.0.1:6379/0", validation_alias="REDIS_URL")
    postgres_url: str = Field("postgresql://sluice:sluice@127.0.0.1:5432/sluice", validation_alias="POSTGRES_URL")
    config_path: Path = Field(Path("sluice.yaml"), validation_alias="SLUICE_CONFIG")
    namespace: str = Field("sluice", validation_alias="SLUICE_NAMESPACE")
    """Prefix of Redis keys and consumer groups, so that several stacks can share servers."""
    topic_prefix: str = Field("", validation_alias="SLUICE_TOPIC_PREFIX")
    log_level: str = Field("info", validation_alias="SLUICE_LOG_LEVEL")
