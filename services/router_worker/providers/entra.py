"""Tokens of Microsoft Entra ID, for the identity that azure-identity finds: environment, workload, machine, login."""

from datetime import UTC, datetime
from typing import Final

from services.router_worker.failures import FailureKind
from services.router_worker.providers.signing import NoCredentialsError
from services.router_worker.providers.tokens import Token, Tokens
from shared.clock import utc_now
from shared.config.schema import Provider

__all__ = ["entra_tokens"]

_SCOPE: Final = "https://cognitiveservices.azure.com/.default"


def entra_tokens(_: Provider) -> Tokens:
    try:
        from azure.core.exceptions import ClientAuthenticationError, ServiceRequestError
        from azure.identity.aio import DefaultAzureCredential
    except ImportError as error:
        raise NoCredentialsError("`auth: entra` needs azure-identity: install `sluice[azure]`.") from error
    credential = DefaultAzureCredential()

    async def fetch() -> Token:
        try:
            found = await credential.get_token(_SCOPE)
        except ServiceRequestError as error:
            raise NoCredentialsError("Microsoft Entra ID could not be reached.", FailureKind.CONNECT) from error
        except ClientAuthenticationError as error:
            raise NoCredentialsError("Microsoft Entra ID gave no token to the gateway.") from error
        return Token(found.token, datetime.fromtimestamp(found.expires_on, UTC))

    return Tokens(fetch, utc_now, credential.close)
