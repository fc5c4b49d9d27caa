"""Tokens of Google Cloud, for the identity that google-auth finds: service account, workload, machine, login."""

import asyncio
from datetime import UTC
from functools import partial
from typing import Final

from services.router_worker.failures import FailureKind
from services.router_worker.providers.signing import NoCredentialsError
from services.router_worker.providers.tokens import Token, Tokens
from shared.clock import utc_now
from shared.config.schema import Provider

__all__ = ["google_tokens"]

_SCOPE: Final = "https://www.googleapis.com/auth/cloud-platform"
_SECONDS: Final = 10
"""The longest that the token service may take; google-auth itself waits two minutes."""


def google_tokens(_: Provider) -> Tokens:
    try:
        from google.auth import default
        from google.auth.exceptions import GoogleAuthError, TransportError
        from google.auth.transport.requests import Request
    except ImportError as error:
        raise NoCredentialsError("`auth: google` needs google-auth: install `sluice[google]`.") from error
    session = Request()

    def fetch() -> Token:
        """Blocks: google-auth knows no other way to refresh."""
        try:
            credentials, _project = default(scopes=[_SCOPE])
            credentials.refresh(partial(session, timeout=_SECONDS))  # type: ignore[no-untyped-call]
        except TransportError as error:
            raise NoCredentialsError("Google's token service could not be reached.", FailureKind.CONNECT) from error
        except GoogleAuthError as error:
            raise NoCredentialsError("Google gave no token to the gateway.") from error
        if credentials.token is None or credentials.expiry is None:
            raise NoCredentialsError("Google's credentials hold no token that Vertex AI would take.")
        return Token(credentials.token, credentials.expiry.replace(tzinfo=UTC))

    async def close() -> None:
        session.session.close()

    return Tokens(lambda: asyncio.to_thread(fetch), utc_now, close)
