"""API keys: `slk_<public id>_<secret>`. The public id names the caller; the secret exists only at the caller's.

The secret is 32 random bytes in hex, so it has no underscore (the public id may) and one round of SHA-256 is enough:
there is nothing to guess.
"""

import hashlib
import hmac
import re
import secrets
from typing import Final

__all__ = ["hash_key", "key_matches", "new_key", "public_id"]

_KEY: Final = re.compile(r"slk_([A-Za-z0-9][A-Za-z0-9._:/@+-]{0,127})_([A-Za-z0-9]{32,128})")


def new_key(public_id: str) -> str:
    """Raises ValueError when the id would not be a valid name in the configuration."""
    key = f"slk_{public_id}_{secrets.token_hex(32)}"
    if not _KEY.fullmatch(key):
        raise ValueError(f"{public_id!r} is not a valid key id: letters, digits and ._:/@+- only, 128 at most")
    return key


def public_id(key: str) -> str | None:
    """Who the key says it is; None when it is not a key at all."""
    match = _KEY.fullmatch(key)
    return match[1] if match else None


def hash_key(key: str) -> str:
    """As it stands in the configuration."""
    return f"sha256:{hashlib.sha256(key.encode()).hexdigest()}"


def key_matches(key: str, stored: str) -> bool:
    """In a time that does not depend on how much of it is right."""
    return hmac.compare_digest(hash_key(key), stored)
