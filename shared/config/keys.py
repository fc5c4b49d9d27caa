"""Keys: `slk_<public id>_<secret>` of callers, `sla_<name>_<secret>` of administrators. Who it is, is not secret.

The secret is 32 random bytes in hex, so it has no underscore (the public id may) and one round of SHA-256 is enough:
there is nothing to guess. It exists only at its owner's; what is stored is the hash of the whole key.
"""

import hashlib
import hmac
import re
import secrets
from enum import StrEnum
from typing import Final

__all__ = ["KeyKind", "hash_key", "key_matches", "new_key", "public_id"]


class KeyKind(StrEnum):
    CALLER = "slk"
    ADMINISTRATOR = "sla"


_REST: Final = r"_([A-Za-z0-9][A-Za-z0-9._:/@+-]{0,127})_([A-Za-z0-9]{32,128})"
_FORMS: Final = {kind: re.compile(kind + _REST) for kind in KeyKind}


def new_key(public_id: str, kind: KeyKind = KeyKind.CALLER) -> str:
    """Raises ValueError when the id would not be a valid name in the configuration."""
    key = f"{kind}_{public_id}_{secrets.token_hex(32)}"
    if not _FORMS[kind].fullmatch(key):
        raise ValueError(f"{public_id!r} is not a valid key id: letters, digits and ._:/@+- only, 128 at most")
    return key


def public_id(key: str, kind: KeyKind = KeyKind.CALLER) -> str | None:
    """Who the key says it is; None when it is no key of this kind."""
    match = _FORMS[kind].fullmatch(key)
    return match[1] if match else None


def hash_key(key: str) -> str:
    """As it is stored."""
    return f"sha256:{hashlib.sha256(key.encode()).hexdigest()}"


def key_matches(key: str, stored: str) -> bool:
    """In a time that does not depend on how much of it is right."""
    return hmac.compare_digest(hash_key(key), stored)
