"""How does a call prove who we are, where a plain key does not? Tokens that expire, and signatures over the call.

A plain key is put into the call by the dialect, which knows its header. What is here has to wait, or needs the time of
day, or a library that only some deployments install: it is imported when the configuration asks for it.
"""

from collections.abc import Callable, Mapping
from typing import Final, Protocol

from services.router_worker.failures import FailureKind
from services.router_worker.providers.dialect import HttpCall
from shared.config.schema import Provider

__all__ = ["CREDENTIALS", "Credentials", "NoCredentialsError", "PlainKey", "credentials_for"]


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


class PlainKey:
    """`auth: key`. The dialect has done it already."""

    async def sign(self, call: HttpCall) -> HttpCall:
        return call

    async def close(self) -> None:
        pass


CREDENTIALS: Final[Mapping[str, Callable[[Provider], Credentials]]] = {
    "key": lambda _: PlainKey(),
}
"""By the word in `Provider.auth`. A maker raises NoCredentialsError when its library is not installed."""


def credentials_for(provider: Provider) -> Credentials:
    return CREDENTIALS[provider.auth](provider)
