"""What does it take to prove who we are in a call? The port that `credentials.py` has the choices for."""

from typing import Protocol

from services.router_worker.failures import FailureKind
from services.router_worker.providers.dialect import HttpCall

__all__ = ["Credentials", "NoCredentialsError"]


class NoCredentialsError(Exception):
    """There are none to be had. The message may be shown to a caller, so it holds no secret.

    `kind` tells whether that lasts (`AUTH`) or passes (`CONNECT`, when a token service is away).
    """

    def __init__(self, message: str, kind: FailureKind = FailureKind.AUTH) -> None:
        super().__init__(message)
        self.kind = kind


class Credentials(Protocol):
    """Of one provider section; made once, for the life of the process."""

    async def sign(self, call: HttpCall) -> HttpCall:
        """The call with the proof in its headers. May wait for a token service; raises NoCredentialsError.

        Called for every attempt, so a token is kept until shortly before it expires.
        """
        ...

    async def close(self) -> None: ...
