"""How does a call prove who we are, where a plain key does not? Tokens that expire, and signatures over the call.

A plain key is put into the call by the dialect, which knows its header. What is here has to wait, or needs the time of
day, or a library that only some deployments install: it is imported when the configuration asks for it.
"""

from collections.abc import Callable, Mapping
from typing import Final

from services.router_worker.providers.aws import aws_signatures
from services.router_worker.providers.dialect import HttpCall
from services.router_worker.providers.entra import entra_tokens
from services.router_worker.providers.google import google_tokens
from services.router_worker.providers.signing import Credentials
from shared.config.schema import Provider

__all__ = ["CREDENTIALS", "PlainKey", "credentials_for"]


class PlainKey:
    """`auth: key`. The dialect has done it already."""

    async def sign(self, call: HttpCall) -> HttpCall:
        return call

    async def close(self) -> None:
        pass


CREDENTIALS: Final[Mapping[str, Callable[[Provider], Credentials]]] = {
    "key": lambda _: PlainKey(),
    "aws": aws_signatures,
    "entra": entra_tokens,
    "google": google_tokens,
}
"""By the word in `Provider.auth`. A maker raises NoCredentialsError when its library is not installed."""


def credentials_for(provider: Provider) -> Credentials:
    return CREDENTIALS[provider.auth](provider)
