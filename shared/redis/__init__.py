"""How Redis is reached, be it one server, the primary that Sentinels name, or a Cluster."""

from shared.redis.address import Kind, parse_address
from shared.redis.client import Home, homes_of, is_clustered, redis_client

__all__ = ["Home", "Kind", "homes_of", "is_clustered", "parse_address", "redis_client"]
