"""What ingress takes from its environment, besides what every process does."""

from pydantic import Field, PositiveFloat, PositiveInt

from shared.ids import new_id
from shared.settings import CommonSettings

__all__ = ["IngressSettings"]


def _new_replica() -> str:
    return new_id("ingress")


class IngressSettings(CommonSettings):
    host: str = Field("127.0.0.1", validation_alias="SLUICE_INGRESS_HOST")
    """Where it listens; `0.0.0.0` is everywhere."""
    port: int = Field(8080, validation_alias="SLUICE_INGRESS_PORT", ge=0, le=65_535)
    """0 takes any free one; which, the line `ingress_listening` of the log says."""
    replica: str = Field(
        default_factory=_new_replica, validation_alias="SLUICE_INGRESS_REPLICA", pattern=r"^\S{1,128}$"
    )
    """Its name among the replicas: no two that live may share it."""
    submit_seconds: PositiveFloat = Field(10, validation_alias="SLUICE_SUBMIT_SECONDS")
    """How long a caller waits for Kafka's acknowledgement before it gets a 503."""
    redis_seconds: PositiveFloat = Field(2, validation_alias="SLUICE_REDIS_SECONDS")
    """How long one call to Redis may take."""
    postgres_seconds: PositiveFloat = Field(3, validation_alias="SLUICE_POSTGRES_SECONDS")
    """How long one query may take."""
    keys_offline_seconds: PositiveInt = Field(3600, validation_alias="SLUICE_KEYS_OFFLINE_SECONDS")
    """How long keys of the database that were used lately go on being taken while PostgreSQL is away."""
    keepalive_seconds: PositiveFloat = Field(12, validation_alias="SLUICE_KEEPALIVE_SECONDS")
    """A stream that has nothing to say for so long sends a comment, so that proxies keep it open."""
    write_seconds: PositiveFloat = Field(30, validation_alias="SLUICE_WRITE_SECONDS")
    """A reader that takes nothing for so long is let go."""
    reader_entries: PositiveInt = Field(1024, validation_alias="SLUICE_READER_ENTRIES")
    """What is kept in memory for a reader that is behind; one that is further behind reads the log again."""
    large_bodies: PositiveInt = Field(4, validation_alias="SLUICE_LARGE_BODIES")
    """How many requests that are too large for a record may be in memory at once; the next ones wait unread."""
    drain_seconds: PositiveInt = Field(25, validation_alias="SLUICE_DRAIN_SECONDS")
    """How long open answers may take to end once the process is asked to stop."""
