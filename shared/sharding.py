"""On which partitions of a topic does a tenant's work stand? Shuffle sharding by rendezvous hashing. Pure.

Theory. Records of one partition stand in line behind each other. When all work is spread over all partitions, a tenant
with a million jobs stands before everybody; so each tenant gets a few partitions of its own choosing, and who meets
whom is a matter of chance: of 8 partitions taken by twos, two tenants have none in common in 54 % of the pairs, one in
43 %, both in 4 %. A tenant's partitions are those where the hash of both is highest: no table is kept, every process
finds the same ones, and when partitions are added only tenants move whom the new ones win.
"""

import hashlib

__all__ = ["partition_of", "partitions_of"]


def partitions_of(tenant: str, partitions: int, share: int) -> tuple[int, ...]:
    """The tenant's `share` of the partitions 0 … `partitions` - 1, or all of them when there are no more."""
    return tuple(sorted(range(partitions), key=lambda partition: _score(tenant, partition), reverse=True)[:share])


def partition_of(job: str, tenant: str, partitions: int, share: int) -> int:
    """The one among the tenant's where this job stands: always the same, so that a job submitted again meets itself."""
    own = partitions_of(tenant, partitions, share)
    return own[_hash(job) % len(own)]


def _score(tenant: str, partition: int) -> int:
    return _hash(f"{partition}/{tenant}")


def _hash(text: str) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "big")
