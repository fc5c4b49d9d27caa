"""Which environment variables do commands look at? Each one goes before what a running stack says."""

from types import MappingProxyType
from typing import Final

__all__ = ["VARIABLES"]

VARIABLES: Final = MappingProxyType(
    {
        "SLUICE_URL": "where the gateway answers, http://127.0.0.1:8080",
        "SLUICE_API_KEY": "the key to ask it with",
        "SLUICE_ADMIN_KEY": "the key of the admin API",
        "KAFKA_URL": "host:port[,host:port]",
        "REDIS_URL": "redis://host:port/number",
        "POSTGRES_URL": "postgresql://user:password@host:port/database",
        "SLUICE_CONFIG": "the configuration, instead of ./sluice.yaml",
        "SLUICE_DATA": "the folder of the stack, instead of ./.sluice",
    }
)
