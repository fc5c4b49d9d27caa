"""How does a record of a submit topic prove who wrote it? By an HMAC with a secret that both sides can derive. Pure.

Sluice stores no key, only the hash of each, and whoever has the key can compute that hash. So the secret is derived
from the hash: the owner of the key can sign, and Sluice can verify. Who can read the hashes can sign as well, but not
ask over HTTP.
"""

import hashlib
import hmac
from typing import Final

__all__ = ["SIGNATURE", "SIGNED_AT", "SIGNED_BY", "SIGNED_ID", "signature", "signing_secret"]

SIGNED_BY: Final = "sluice-signed-by"
"""Header: the public id of the key."""
SIGNED_AT: Final = "sluice-signed-at"
"""Header: when, in Unix milliseconds."""
SIGNED_ID: Final = "sluice-signed-id"
"""Header: names the record. It is one job, however often it comes."""
SIGNATURE: Final = "sluice-signature"
"""Header: HMAC-SHA256, in hex."""

_PURPOSE: Final = b"sluice submit topic v1"


def signing_secret(stored_hash: str) -> bytes:
    """`stored_hash` as `hash_key` gives it. The secret is good for nothing else."""
    return hmac.digest(stored_hash.encode(), _PURPOSE, "sha256")


def signature(secret: bytes, *, at_ms: int, topic: str, record_id: str, body: bytes) -> str:
    """Time, topic and id have no line breaks, so that no two records are signed alike."""
    signed = f"{at_ms}\n{topic}\n{record_id}\n".encode() + body
    return hmac.new(secret, signed, hashlib.sha256).hexdigest()
