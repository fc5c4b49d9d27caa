"""What has been said before an answer, in words of no API: one conversation is the same by whichever it came."""

import math
from collections.abc import Iterable
from hashlib import blake2b
from typing import Literal, NamedTuple, TypeAlias

__all__ = ["Role", "ToolUse", "Turn", "fingerprint", "prompt_tokens"]

_TOKENS_PER_TURN = 3
_TOKENS_PER_IMAGE = 85
_BYTES_PER_TOKEN = 4

Role: TypeAlias = Literal["system", "user", "assistant", "tool"]


class ToolUse(NamedTuple):
    """A call that an earlier answer made."""

    call_id: str
    name: str
    arguments: str
    """JSON, with its names in order and without spaces."""


class Turn(NamedTuple):
    role: Role
    text: str = ""
    images: tuple[str, ...] = ()
    """Their URLs; a picture that came along is a `data:` URL, whatever the API made of it."""
    uses: tuple[ToolUse, ...] = ()
    result_of: str | None = None
    """The call whose result this is."""
    thoughts: tuple[str, ...] = ()
    """What makes an earlier thought genuine: signatures, or what is encrypted."""


def fingerprint(turns: Iterable[Turn]) -> bytes:
    digest = blake2b(digest_size=16)
    for turn in turns:
        digest.update(f"\x1e{turn.role}\x1f{turn.text}".encode("utf-8", "surrogatepass"))
    return digest.digest()


def prompt_tokens(turns: tuple[Turn, ...]) -> int:
    """The simulator's own measure: a token per 4 bytes of text, 85 per image, 3 per turn."""
    size = sum(len(turn.text.encode("utf-8", "surrogatepass")) for turn in turns)
    images = sum(len(turn.images) for turn in turns)
    return math.ceil(size / _BYTES_PER_TOKEN) + _TOKENS_PER_IMAGE * images + _TOKENS_PER_TURN * len(turns)
